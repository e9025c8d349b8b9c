"""`jitr demo`: just-in-time registration in one run."""

import tempfile
from functools import partial
from pathlib import Path

import click
from rich.live import Live

from iot_jitr_cli.console import ExitCode, json_option, out, print_json
from iot_jitr_cli.demo.model import Demo
from iot_jitr_cli.demo.run import run_demo
from iot_jitr_cli.demo.view import DemoView, summary

_MIN_DEVICES = 2
"""Minimum: one device that is admitted, and one that is on the CRL."""
_MAX_DEVICES = 100
_FRAMES_PER_SECOND = 12


@click.command()
@click.option("--devices", type=click.IntRange(_MIN_DEVICES, _MAX_DEVICES), default=5, show_default=True)
@click.option(
    "--connect-guard",
    is_flag=True,
    help="Connect to a domain with a connect guard: the device on the CRL is refused at the TLS handshake.",
)
@json_option
def demo(devices: int, *, connect_guard: bool, as_json: bool) -> ExitCode:
    """Show the whole pipeline on a local cloud of its own, and remove everything again.

    Exits 0 only if every expectation was met.
    """
    folder, shown = Path(tempfile.mkdtemp(prefix="jitr-demo-")), Demo()
    run = partial(run_demo, folder, devices, shown, connect_guard=connect_guard)
    if as_json:
        run()
        print_json(shown.as_document())
    elif out.is_terminal:
        picture = DemoView(shown, out)
        # Only the last frame is drawn in full, because a fleet may need more lines than the screen has.
        with Live(
            get_renderable=picture.draw,
            console=out,
            refresh_per_second=_FRAMES_PER_SECOND,
            vertical_overflow="crop",
        ):
            run()
    else:
        shown.on_change = lambda line: click.echo(line) if line else None
        run()
        for line in summary(shown):
            click.echo(line)
    return ExitCode.OK if shown.succeeded else ExitCode.NO
