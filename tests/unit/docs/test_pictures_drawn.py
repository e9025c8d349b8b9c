"""Pictures as a browser draws them: no text reaches beyond the picture, or beyond the page's edge."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import Browser, browser, open_page

pytestmark = pytest.mark.timing

FOLDER = Path(__file__).parents[3] / "docs" / "pictures"
PICTURES = sorted(FOLDER.glob("*.svg"))
OUTSIDE = """(() => {
  const svg = document.documentElement, box = svg.viewBox.baseVal, found = [];
  const toPicture = svg.getScreenCTM().inverse();
  for (const text of svg.querySelectorAll("text")) {
    const area = text.getBBox();
    if (!area.width) continue;
    const matrix = toPicture.multiply(text.getScreenCTM());
    for (const [x, y] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
      const corner = new DOMPoint(area.x + x * area.width, area.y + y * area.height).matrixTransform(matrix);
      if (corner.x < box.x - 1 || corner.x > box.x + box.width + 1 ||
          corner.y < box.y - 1 || corner.y > box.y + box.height + 1) {
        found.push(text.textContent);
        break;
      }
    }
  }
  return found;
})()"""
"""The texts of which a corner lies outside of the picture's box, by a unit and more."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_all_text_is_inside_the_picture(running: Browser, picture: Path) -> None:
    page = open_page(running, picture)

    assert page.run("document.querySelectorAll('text').length") > 5
    assert page.run(OUTSIDE) == []


def test_a_text_outside_its_picture_is_found(running: Browser, tmp_path: Path) -> None:
    picture = tmp_path / "cut.svg"
    picture.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 40">'
        '<text x="5" y="20" font-size="9">inside</text>'
        '<g transform="translate(60 0)"><text x="5" y="20" font-size="9">much longer than that</text></g>'
        "</svg>"
    )

    assert open_page(running, picture).run(OUTSIDE) == ["much longer than that"]
