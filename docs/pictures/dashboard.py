"""Draw the dashboard's layout as it is deployed: its rows, their questions, their graphs."""

from html import escape
from tempfile import TemporaryDirectory

import aws_cdk as cdk

from iot_jitr import CaConfiguration, JitrPipeline, NoRevocation, ReconcilerSettings, SecretSigner
from iot_jitr.observability import Row, Watched, layout
from iot_jitr.observability.dashboard import COLUMNS
from iot_jitr_cli.pki.authority import DevelopmentCa

_CELL = 40
"""Pixels a column of the dashboard."""
_ROW = 190
_HEAD = 34
_MARGIN = 20
_COLOURS = ("#2563eb", "#16a34a", "#d97706", "#dc2626", "#7c3aed")
_INK, _PALE = "#1f2937", "#6b7280"


def rows() -> tuple[Row, ...]:
    """The rows of the dashboard of a pipeline with one CA that has a CRL."""
    with TemporaryDirectory() as folder:
        app = cdk.App(outdir=folder, context={"aws:cdk:bundling-stacks": []})
        ca = CaConfiguration(
            name="Factory",
            certificate=DevelopmentCa.create("Factory CA").certificate.pem,
            signer=SecretSigner("factory-ca-key"),
            revocation=NoRevocation(),
        )
        pipeline = JitrPipeline(cdk.Stack(app, "Fleet"), "Jitr", cas=[ca])
        watched = Watched(
            metrics=pipeline.metrics,
            queues=pipeline.queues,
            activator=pipeline.activator.function.function,
            background={},
            cas={"Factory": "ca"},
            cas_with_crl={"Factory": "ca"},
            reconciled_every=ReconcilerSettings().every,
        )
        return layout(watched, pipeline.capacity.activations_per_second)


def drawn(dashboard: tuple[Row, ...]) -> str:
    """The layout as SVG."""
    width = COLUMNS * _CELL
    parts = [_box(0, 0, width, 50, "Alarms: one field each, green or red")]
    top = 70
    for row in dashboard:
        parts.append(_text(0, top + 22, row.question.value, size=20, colour=_INK))
        top += _HEAD
        panel_width = width // len(row.panels)
        for number, panel in enumerate(row.panels):
            x = number * panel_width
            parts.append(_box(x, top, panel_width - 10, _ROW, panel.title))
            parts.append(_text(x + 14, top + 46, panel.unit, size=12, colour=_PALE))
            parts += _curves(x + 14, top + 60, panel_width - 38, min(3, max(1, len(panel.metrics))))
            if panel.line is not None:
                parts.append(_line(x + 14, top + 76, panel_width - 38, panel.line[1]))
        top += _ROW + 16
    parts.append(_box(0, top, width, 60, "Last refusals: time, reason, common name, serial number, detail"))
    height = top + 60
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {width + 2 * _MARGIN} {height + 2 * _MARGIN}">'
        "<title>Layout of the CloudWatch dashboard; the curves are sketches</title>"
        '<rect width="100%" height="100%" fill="#f9fafb"/>'
        f'<g transform="translate({_MARGIN} {_MARGIN})" font-family="system-ui, sans-serif">'
        f"{''.join(parts)}</g></svg>\n"
    )


def _box(x: int, y: int, width: int, height: int, title: str) -> str:
    frame = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="#fff" stroke="#d1d5db"/>'
    return frame + _text(x + 14, y + 28, title, size=15, colour=_INK)


def _text(x: int, y: int, text: str, *, size: int, colour: str) -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}">{escape(text)}</text>'


def _curves(x: int, y: int, width: int, count: int) -> list[str]:
    """Sketched curves: where the lines of the graph are, not what they say."""
    curves = []
    for number in range(count):
        base, lift = y + 104 - 24 * number, 30 - 6 * number
        path = f"M{x} {base} q{width // 4} -{lift} {width // 2} -{lift // 3} t{width // 2} -{lift // 2}"
        curves.append(f'<path d="{path}" fill="none" stroke="{_COLOURS[number]}" stroke-width="2"/>')
    return curves


def _line(x: int, y: int, width: int, label: str) -> str:
    line = f'<path d="M{x} {y} h{width}" stroke="{_PALE}" stroke-dasharray="6 4"/>'
    return line + _text(x + 4, y - 6, label, size=11, colour=_PALE)
