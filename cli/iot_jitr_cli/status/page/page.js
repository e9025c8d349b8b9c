"use strict";
// The search: it sends nothing, and it inserts text only as text, never as HTML.
(() => {
  const SHOWN = 50;
  const data = JSON.parse(document.getElementById("certificates").textContent);
  const lines = data.lines ? data.lines.split("\n") : [];
  const query = document.getElementById("query");
  const found = document.getElementById("found");
  const table = document.getElementById("results");
  const grouped = new Intl.NumberFormat("en");
  const all = found.textContent;
  let texts = null;

  const fields = (line) => {
    const parts = line.split("|");
    const [id, serial, kind, decided] = parts;
    const [ca, group, title, state, reason, cause] = data.kinds[kind];
    return { id, serial, ca, group, title, state, reason, cause, decided: Number(decided), name: parts.slice(4).join("|") };
  };

  // The searchable texts: computed once, at the first search.
  const searchable = () => texts ??= lines.map((line) => {
    const each = fields(line);
    const texts = [each.name, each.id, each.serial, each.ca, each.title, each.state, each.reason];
    return [...texts, `cause:${each.cause}`, ""].join("\n").toLowerCase();
  });

  // The typed text as a name of the page, with U+FFFD for unprintable characters,
  // and as a serial number of the ledger, without 0x, colons and leading zeros.
  const variants = (typed) => {
    const text = typed.trim().replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\ufffd").toLowerCase();
    if (text.startsWith("cause:")) return [`\n${text}\n`];
    const number = /^(0x)?[0-9a-f]+(:[0-9a-f]+)*$/.test(text) ? text.replace(/^0x/, "").replaceAll(":", "").replace(/^0+(?=.)/, "") : text;
    return text === number ? [text] : [text, number];
  };

  const cell = (kind, text, className) => {
    const made = document.createElement(kind);
    const held = document.createElement("bdi");
    held.textContent = text;
    made.append(held);
    if (className) made.className = className;
    if (kind === "th") made.scope = "row";
    return made;
  };

  const row = (each) => {
    const made = document.createElement("tr");
    const when = each.decided ? new Date(each.decided * 1000).toISOString().replace("T", " ").slice(0, 16) + "Z" : "unknown";
    made.append(
      cell("th", each.name || "(no common name)"),
      cell("td", each.reason ? `${each.title}: ${each.reason}` : each.title, `pill ${each.group}`),
      cell("td", each.ca || "unknown"), cell("td", each.serial || "unknown", "id"), cell("td", each.id, "id"), cell("td", when),
    );
    return made;
  };

  const search = () => {
    const body = table.tBodies[0];
    const asked = variants(query.value);
    if (!asked[0]) {
      table.hidden = true;
      body.replaceChildren();
      found.textContent = all;
      return;
    }
    const rows = [];
    let count = 0;
    searchable().forEach((text, place) => {
      if (!asked.some((each) => text.includes(each))) return;
      count += 1;
      if (count <= SHOWN) rows.push(row(fields(lines[place])));
    });
    body.replaceChildren(...rows);
    table.hidden = count === 0;
    found.textContent = count === 0 ? "No certificate in this page matches."
      : `${grouped.format(count)} found${count > SHOWN ? `, the first ${SHOWN} are shown` : ""}.`;
  };

  query.form.addEventListener("submit", (event) => { event.preventDefault(); search(); });
  query.addEventListener("input", search);
  for (const button of document.querySelectorAll("button[data-query]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      query.value = button.dataset.query;
      search();
      query.focus();
      document.getElementById("find").scrollIntoView();
    });
  }
})();
