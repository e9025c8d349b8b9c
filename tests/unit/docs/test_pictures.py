"""Pictures that everybody can remake: drawn from the code, and recorded from the demo."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.dom import minidom
from xml.sax.saxutils import escape

import pytest

from iot_jitr_cli.demo.model import Demo, DeviceProgress, Expectation, Milestone, RefusedDevice, Step
from tests.support.clock import Stopwatch

pytestmark = pytest.mark.timing

FOLDER = Path(__file__).parents[3] / "docs" / "pictures"
PICTURES = sorted(path.stem for path in FOLDER.iterdir() if path.suffix in {".svg", ".png", ".webp"})
DRAWINGS = sorted(path.stem for path in FOLDER.glob("*.svg"))


@pytest.fixture
def scripts() -> Iterator[Any]:
    """The scripts that make the pictures, imported as `make pictures` runs them."""
    loaded: dict[str, ModuleType] = {}
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"pictures_{name}", FOLDER / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        loaded[spec.name] = sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    yield load
    sys.path.remove(str(FOLDER))
    for name in {*loaded, *({"measured", "plots"} - before)} & set(sys.modules):
        del sys.modules[name]


def finished_demo() -> Demo:
    return Demo(
        preparation=[Step("stack deployed", "by 'cdk deploy'", 3.0)],
        devices=[DeviceProgress("sensor-01", "id", {Milestone.REGISTERED: 0.4})],
        refused=[RefusedDevice("foreign", "signed by an unknown CA", "never registered")],
        expectations=[Expectation("all in", met=True)],
        seconds=4.0,
    )


def test_the_picture_of_the_dashboard_matches_the_deployed_one(scripts: Any) -> None:
    dashboard = scripts("dashboard")

    assert (FOLDER / "dashboard.svg").read_text() == dashboard.drawn(dashboard.deployed()), "make pictures"


def test_the_dashboard_shows_the_figures_of_the_recorded_run(scripts: Any) -> None:
    dashboard, measured = scripts("dashboard"), scripts("measured").load()
    deployed = dashboard.deployed()

    svg = dashboard.drawn(deployed)

    admitted = [each for each in measured["metrics"] if each["name"] == "Activated"]
    assert sum(each["value"] for each in admitted) == measured["devices"] - 1  # one is on the CRL
    for text in (*deployed.alarms, *(panel.title for panels in deployed.rows.values() for panel in panels)):
        assert escape(text) in svg
    for refusal in measured["refusals"]:
        assert escape(refusal["detail"]) in svg
    reasons = {each["reason"] for each in measured["metrics"] if each["name"] == "Decisions"}
    assert all(reason in svg for reason in reasons)


def test_statistics_are_computed_as_cloudwatch_does(scripts: Any) -> None:
    statistic = scripts("dashboard")._statistic

    assert statistic([1.0, 2.0, 6.0], "Sum") == 9.0
    assert statistic([1.0, 2.0, 6.0], "Average") == 3.0
    assert (statistic([1.0, 6.0], "Maximum"), statistic([1.0, 6.0], "Minimum")) == (6.0, 1.0)
    assert statistic([float(value) for value in range(100)], "p90") == 90.0


def test_a_recording_shows_one_frame_after_the_other_and_ends_on_the_last(scripts: Any) -> None:
    recording = scripts("recording")
    recorder = recording.Recorder(finished_demo())
    for _ in range(3):
        recorder.look(always=True)

    svg = recording.animated(recorder)

    minidom.parseString(svg)
    assert svg.count('visibility="hidden"') == 2
    assert re.search(r'<g class="k2" visibility="visible">', svg)
    assert "sensor-01" in svg
    assert "never&#160;registered" in svg


def test_changes_at_one_moment_are_one_frame(scripts: Any) -> None:
    recorder = scripts("recording").Recorder(finished_demo(), Stopwatch())

    for _ in range(4):
        recorder.look()

    assert len(recorder.frames) == 1


def test_a_later_change_is_a_frame_with_its_time(
    scripts: Any,
) -> None:
    clock = Stopwatch()
    step = Step("stack deployed", started_at=clock.now)
    recorder = scripts("recording").Recorder(Demo(preparation=[step]), clock)

    recorder.look()
    clock.sleep(0.3)
    recorder.look()

    assert [at for at, _ in recorder.frames] == [0.0, 0.3]
    assert ["0.3&#160;s" in svg for _, svg in recorder.frames] == [False, True]


def test_a_long_run_keeps_its_first_and_its_last_frame(scripts: Any) -> None:
    recording = scripts("recording")
    frames = [(float(number), str(number)) for number in range(100)]

    kept = recording.chosen(frames, 5)

    assert [svg for _, svg in kept] == ["0", "25", "50", "74", "99"]
    assert recording.chosen(frames[:3], 5) == frames[:3]


@pytest.mark.parametrize("name", ["storm", "look_up", "reconnects"])
def test_a_plot_shows_the_saved_figures_of_the_benchmarks(scripts: Any, name: str) -> None:
    committed = (FOLDER / f"{name.replace('_', '-')}.svg").read_text()

    assert committed == getattr(scripts("plots"), name)(), "make pictures"


def test_unfinished_runs_are_marked_and_each_kind_has_its_line(
    scripts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plots = scripts("plots")
    results = plots.load(plots.BENCH / "storm" / "results")
    finished = next(run for run in results if (run.system, run.behaviour) == ("ours", "rude"))
    lost = replace(finished, system="recipe", seconds_to_last=None)
    monkeypatch.setattr(plots, "load", lambda _folder: [finished, lost, replace(lost, system="another")])

    svg = plots.storm()

    assert "some were not active yet" in svg
    for label in ("this pipeline, rude", "the plain recipe (Lambda: a stand-in), rude", "another, rude"):
        assert label in svg


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_picture_is_well_formed_and_loads_nothing(name: str) -> None:
    text = (FOLDER / f"{name}.svg").read_text()
    # Names of vocabularies, which are not loaded, and the address of the local cloud in the demo.
    names = r'xmlns(:\w+)?="[^"]*"|(?<=rdf:resource=")[^"]*|http://127\.0\.0\.1'

    minidom.parseString(text)
    assert "http" not in re.sub(names, "", text)
    assert "<script" not in text


def test_the_recorded_demo_met_every_expectation() -> None:
    text = (FOLDER / "demo.svg").read_text().replace("&#160;", " ")
    (met, of) = re.findall(r"(\d+) of (\d+) expectations met", text)[-1]

    assert met == of


def test_the_readme_quotes_the_run_that_the_picture_shows() -> None:
    picture = (FOLDER / "demo.svg").read_text().replace("&#160;", " ")
    readme = (FOLDER.parents[1] / "README.md").read_text()
    [quoted] = re.findall(r"^\d+ devices published after .* in all$", readme, re.MULTILINE)

    assert quoted in picture


def test_every_picture_is_made_by_the_script_and_used(scripts: Any) -> None:
    root = FOLDER.parents[1]
    pages = [root / "README.md", *(root / "docs").glob("*.md")]
    shown = {name for page in pages for name in re.findall(r"!\[.*?\]\(.*?([\w-]+)\.\w+\)", page.read_text())}

    assert set(scripts("make_pictures").PICTURES) == set(PICTURES) == shown


def test_an_unknown_picture_is_wrong_use(scripts: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert scripts("make_pictures").main(["portrait"]) == 2
    assert "no picture 'portrait'" in capsys.readouterr().err
