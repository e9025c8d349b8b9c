"""The demonstration as people see it: plain lines, and a picture on a terminal."""

import io

import pytest
from rich.console import Console

from iot_jitr_cli.demo.live import LivePicture
from iot_jitr_cli.demo.model import DeviceProgress, Expectation, Mark, Outsider, Stage, Step
from iot_jitr_cli.demo.narrator import Narrator
from iot_jitr_cli.demo.plain import PlainLines, summary

pytestmark = pytest.mark.timing


def finished_stage(*, met: bool = True) -> Stage:
    marks = {mark: 0.5 * number for number, mark in enumerate(Mark)}
    return Stage(
        steps=[Step("local cloud", "at home", 1.25)],
        devices=[DeviceProgress("sensor-01", "0" * 64, marks)],
        outsiders=[Outsider("foreign", "of another CA", "refused")],
        expectations=[Expectation("all went well", met, "a fire")],
        revocation=[Step("next connect", "refused at the door", 0.75)],
        clearing=[Step("taken down", "all gone", 0.5)],
        seconds=20.0,
    )


def drawn(stage: Stage, **terminal: object) -> str:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=110, color_system=None, **terminal)  # type: ignore[arg-type]
    with LivePicture(console, stage) as picture:
        picture.step_ended(Step("x"))
        picture.mark_reached(DeviceProgress("x", "y"), Mark.PENDING)
        picture.stayed_out(Outsider("x", "y"))
    # The widths of columns are the library's business.
    return " ".join(output.getvalue().split())


def test_the_picture_shows_every_step_device_outsider_and_the_verdict() -> None:
    picture = drawn(finished_stage())

    for text in (
        *("✓ local cloud", "1.2 s", "at home", "sensor-01", "of another CA", "stays out: refused"),
        *("✓ next connect", "0.8 s", "refused at the door"),
        *("✓ all went well", "✓ taken down", *(mark.value for mark in Mark), "2.00 s"),
        "1 devices in after 2.0 s; 1 of 1 expectations met; 20 s in all",
    ):
        assert text in picture


def test_an_unmet_expectation_is_shown_with_what_was_seen() -> None:
    picture = drawn(finished_stage(met=False))

    assert "✗ all went well (seen: a fire)" in picture
    assert "0 of 1 expectations met" in picture


def test_while_things_are_under_way_the_picture_waits_for_them() -> None:
    stage = Stage(devices=[DeviceProgress("sensor-01", "0" * 64, {Mark.REGISTERED: 0.1})])
    stage.outsiders.append(Outsider("foreign", "of another CA"))
    step = Step("stack deployed", "synthesizing")
    stage.steps.append(step)

    picture = drawn(stage)

    assert "stack deployed" in picture
    assert "0.0 s" in picture
    assert "0.10 s" in picture
    assert "stays out" not in picture
    assert "expectations" not in picture


def test_a_terminal_without_unicode_gets_letters() -> None:
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(file=output, force_terminal=True, width=110, color_system=None)

    with LivePicture(console, finished_stage()):
        pass

    output.seek(0)
    assert "ok local cloud" in " ".join(output.read().split())


def test_plain_lines_tell_each_thing_once_as_it_happens(capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage()
    narrator = Narrator(stage, PlainLines())
    device, outsider = DeviceProgress("sensor-01", "0" * 64), Outsider("foreign", "of another CA")

    with narrator.step("local cloud") as step:
        step.detail = "at home"
    narrator.mark(device, Mark.REGISTERED, 0.25)
    narrator.mark(device, Mark.REGISTERED, 0.75)
    narrator.stays_out(outsider, "refused")
    with narrator.revoking("next connect"):
        pass
    with narrator.clearing("taken down"):
        pass

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["local", "sensor-01", "foreign", "next", "taken"]
    assert lines[0].endswith("at home")
    assert "0.25 s  registered" in lines[1]
    assert lines[2].endswith("stays out (of another CA): refused")
    assert [step.title for step in stage.revocation] == ["next connect"]
    assert [step.title for step in stage.clearing] == ["taken down"]


def test_the_summary_says_what_came_and_what_did_not() -> None:
    assert summary(finished_stage()) == [
        "ok: all went well",
        "1 devices in after 2.0 s; 1 of 1 expectations met; 20 s in all",
    ]
    assert summary(finished_stage(met=False))[0] == "NOT SO: all went well (seen: a fire)"


def test_an_unfinished_fleet_has_no_time_to_show() -> None:
    stage = finished_stage()
    stage.devices.append(DeviceProgress("sensor-02", "1" * 64))

    assert summary(stage)[-1] == "1 of 1 expectations met; 20 s in all"


def test_a_story_that_did_not_reach_its_end_did_not_succeed() -> None:
    assert not Stage(expectations=[Expectation("fine", met=True)]).succeeded
    assert finished_stage().succeeded
    assert not finished_stage(met=False).succeeded
