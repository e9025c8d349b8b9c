"""What the demonstration prints: plain lines, and a picture on a terminal."""

import io

from rich.console import Console

from iot_jitr_cli.demo.model import Demo, DeviceProgress, Expectation, Milestone, RefusedDevice, Step
from iot_jitr_cli.demo.view import DemoView, summary


def finished_demo(*, met: bool = True) -> Demo:
    marks = {mark: 0.5 * number for number, mark in enumerate(Milestone)}
    return Demo(
        preparation=[Step("local cloud", "at home", 1.25)],
        devices=[DeviceProgress("sensor-01", "0" * 64, marks)],
        refused=[RefusedDevice("foreign", "of another CA", "refused: unknown CA")],
        expectations=[Expectation("all went well", met, "a fire")],
        revocation=[Step("next connect", "closed", 0.75)],
        clean_up=[Step("local cloud stopped", "all removed", 0.5)],
        seconds=20.0,
    )


def drawn(demo: Demo, output: io.TextIOBase | None = None, now: float = 0.0) -> str:
    text = output or io.StringIO()
    console = Console(file=text, force_terminal=True, width=110, color_system=None)  # type: ignore[arg-type]
    console.print(DemoView(demo, console, lambda: now).draw())
    text.seek(0)
    # The library chooses the widths of columns.
    return " ".join(text.read().split())


def test_the_picture_shows_every_step_device_and_expectation_and_the_result() -> None:
    picture = drawn(finished_demo())

    for text in (
        *("✓ local cloud", "1.2 s", "at home", "sensor-01", "of another CA", "refused: unknown CA"),
        *("✓ next connect", "0.8 s", "closed"),
        *("✓ all went well", "✓ local cloud stopped", *(mark.value for mark in Milestone), "2.00 s"),
        "1 devices published after 2.0 s; 1 of 1 expectations met; 20 s in all",
    ):
        assert text in picture


def test_an_unmet_expectation_is_shown_with_what_was_seen() -> None:
    picture = drawn(finished_demo(met=False))

    assert "✗ all went well (seen: a fire)" in picture
    assert "0 of 1 expectations met" in picture


def test_a_running_step_is_shown_with_its_elapsed_time() -> None:
    picture = drawn(
        Demo(
            preparation=[Step("stack deployed", "synthesizing", started_at=100.0)],
            devices=[DeviceProgress("sensor-01", "0" * 64, {Milestone.REGISTERED: 0.1})],
            refused=[RefusedDevice("foreign", "of another CA")],
        ),
        now=101.5,
    )

    assert "stack deployed 1.5 s synthesizing" in picture
    assert "0.10 s" in picture
    assert "refused" not in picture
    assert "expectations" not in picture


def test_a_terminal_without_unicode_shows_letters() -> None:
    assert "ok local cloud" in drawn(finished_demo(), io.TextIOWrapper(io.BytesIO(), encoding="ascii"))


def test_each_change_is_reported_by_one_line_as_it_happens() -> None:
    lines: list[str] = []
    demo = Demo(on_change=lambda line: lines.append(line) if line else None)
    device, refused = DeviceProgress("sensor-01", "0" * 64), RefusedDevice("foreign", "of another CA")

    with demo.step("local cloud") as step:
        step.detail = "at home"
    demo.mark(device, Milestone.REGISTERED, 0.25)
    demo.mark(device, Milestone.REGISTERED, 0.75)
    demo.refuse(refused, "refused: unknown CA")
    with demo.step("next connect", demo.revocation):
        pass

    assert [line.split()[0] for line in lines] == ["local", "sensor-01", "foreign", "next"]
    assert lines[0].endswith("at home")
    assert "0.25 s  registered" in lines[1]
    assert lines[2].endswith("of another CA: refused: unknown CA")
    assert [step.title for step in demo.preparation] == ["local cloud"]
    assert [step.title for step in demo.revocation] == ["next connect"]


def test_the_summary_has_every_expectation_and_whether_it_was_met() -> None:
    assert summary(finished_demo()) == [
        "ok: all went well",
        "1 devices published after 2.0 s; 1 of 1 expectations met; 20 s in all",
    ]
    assert summary(finished_demo(met=False))[0] == "NOT MET: all went well (seen: a fire)"


def test_the_summary_has_no_time_for_an_unfinished_fleet() -> None:
    demo = finished_demo()
    demo.devices.append(DeviceProgress("sensor-02", "1" * 64))

    assert summary(demo)[-1] == "1 of 1 expectations met; 20 s in all"


def test_a_demo_succeeds_if_it_is_complete_and_meets_every_expectation() -> None:
    assert not Demo(expectations=[Expectation("fine", met=True)]).succeeded
    assert finished_demo().succeeded
    assert not finished_demo(met=False).succeeded
