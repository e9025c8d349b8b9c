"""`jitr demo`: the whole story in one run."""

import tempfile
from pathlib import Path

import click

from iot_jitr_cli.console import ExitCode, json_option, out, print_json
from iot_jitr_cli.demo.audience import Nobody
from iot_jitr_cli.demo.live import LivePicture
from iot_jitr_cli.demo.model import Stage
from iot_jitr_cli.demo.narrator import Narrator
from iot_jitr_cli.demo.plain import PlainLines, summary
from iot_jitr_cli.demo.story import tell

_FEWEST_DEVICES = 2
"""One that gets in and one that is on the CRL."""
_MOST_DEVICES = 100


@click.command()
@click.option("--devices", type=click.IntRange(_FEWEST_DEVICES, _MOST_DEVICES), default=5, show_default=True)
@json_option
def demo(devices: int, *, as_json: bool) -> ExitCode:
    """Show the whole story on a local cloud of its own, and take everything down again.

    Exits 0 only if every expectation was met.
    """
    stage = Stage()
    folder = Path(tempfile.mkdtemp(prefix="jitr-demo-"))
    if as_json:
        tell(folder, devices, Narrator(stage, Nobody()))
        print_json({"succeeded": stage.succeeded, "stage": stage})
    elif out.is_terminal:
        with LivePicture(out, stage) as audience:
            tell(folder, devices, Narrator(stage, audience))
    else:
        tell(folder, devices, Narrator(stage, PlainLines()))
        for line in summary(stage):
            click.echo(line)
    return ExitCode.OK if stage.succeeded else ExitCode.NO
