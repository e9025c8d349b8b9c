"""Headless Chromium, driven by the Chrome DevTools protocol over a pipe: no port, no driver, no download.

https://chromedevtools.github.io/devtools-protocol/: JSON messages that end with a zero byte. Chromium reads
them from file descriptor 3 and writes its own to 4.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

LIMIT_SECONDS = 120.0
"""For one response; a healthy browser takes a fraction of a second."""
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--remote-debugging-pipe"),
)


class BrowserError(Exception):
    """The browser did not respond, refused a command, or a script of the page failed."""


@dataclass
class Browser:
    """A running browser. Commands wait for their responses; earlier events are in `events`."""

    to_browser: int
    from_browser: int
    events: list[dict[str, Any]] = field(default_factory=list)
    _last: int = 0
    _received: bytes = b""

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        sent = json.dumps(message).encode() + b"\0"
        while sent:
            sent = sent[os.write(self.to_browser, sent) :]
        while (answer := self._message()).get("id") != self._last:
            self.events.append(answer)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return dict(answer["result"])

    def wait_for(self, method: str, session: str) -> None:
        """Wait until an event has happened in a page."""
        while not any(
            each.get("method") == method and each.get("sessionId") == session for each in self.events
        ):
            self.events.append(self._message())

    def _message(self) -> dict[str, Any]:
        deadline = time.monotonic() + LIMIT_SECONDS
        while b"\0" not in self._received:
            ready, _, _ = select.select([self.from_browser], [], [], max(0, deadline - time.monotonic()))
            more = os.read(self.from_browser, 1 << 20) if ready else b""
            if not more:
                raise BrowserError("the browser does not respond, or has ended")
            self._received += more
        message, _, self._received = self._received.partition(b"\0")
        return dict(json.loads(message))


@dataclass
class Page:
    """A page in a browser."""

    browser: Browser
    session: str

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command to this page."""
        return self.browser.call(method, self.session, **parameters)

    def run(self, script: str) -> Any:
        """The value of an expression, awaited if it is a promise."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key, such as `Tab` or `Enter`."""
        code = {"Tab": 9, "Enter": 13}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text
            )

    def type(self, text: str) -> None:
        """Put text where the focus is, as typing or pasting does."""
        self.call("Input.insertText", text=text)

    def picture(self) -> bytes:
        """A screenshot, as WebP."""
        answer = self.call("Page.captureScreenshot", format="webp", quality=80)
        return base64.b64decode(answer["data"])

    @property
    def happened(self) -> list[str]:
        """The methods of the events of this page."""
        return [each["method"] for each in self.browser.events if each.get("sessionId") == self.session]

    @property
    def requested(self) -> list[str]:
        """The addresses that the page has requested."""
        return [
            each["params"]["request"]["url"]
            for each in self.browser.events
            if each.get("sessionId") == self.session and each["method"] == "Network.requestWillBeSent"
        ]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start Debian's Chromium with a new profile; skip the test where it is not installed."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Debian's package chromium is not installed: the tests in a browser are left out")
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    # Above 4, so that none is overwritten when they become 3 and 4.
    numbers = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 10) for each in (theirs_in, theirs_out)]
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    process = os.posix_spawn(
        program,
        [program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        {**os.environ, "HOME": str(profile)},
        file_actions=[
            *nothing,
            *((os.POSIX_SPAWN_DUP2, number, place) for number, place in zip(numbers, (3, 4), strict=True)),
        ],
        setpgroup=0,
    )
    for each in (theirs_in, theirs_out, *numbers):
        os.close(each)
    try:
        yield Browser(ours_out, ours_in)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(ours_out)
        os.close(ours_in)


def open_page(
    running: Browser, file: Path, *, width: int = 1280, height: int = 900, dark: bool = False
) -> Page:
    """Open a file in a new page on a screen of that size, and wait until it is loaded."""
    target = running.call("Target.createTarget", url="about:blank")["targetId"]
    session = running.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    page = Page(running, session)
    for domain in ("Page", "Runtime", "Log", "Network"):
        page.call(f"{domain}.enable")
    page.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=height,
        deviceScaleFactor=1,
        mobile=width < 600,
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    page.call("Emulation.setEmulatedMedia", features=[scheme])
    page.call("Page.navigate", url=file.as_uri())
    running.wait_for("Page.loadEventFired", session)
    return page
