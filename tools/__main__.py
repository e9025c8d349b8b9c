"""`make docs`: write the pages that are generated from the code."""

from pathlib import Path

from tools import configuration_page, construct_page, cost_page

DOCS = Path(__file__).parents[1] / "docs"

for name, text in (
    ("configuration.md", configuration_page.page()),
    ("construct.md", construct_page.page(configuration_page.documented())),
    ("cost.md", cost_page.page()),
):
    (DOCS / name).write_text(text, encoding="utf-8")
