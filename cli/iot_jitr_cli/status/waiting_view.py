"""The output of `jitr doctor --all`: the devices that are not active, by cause."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from rich.text import Text

from iot_jitr_cli.console import ExitCode, printable
from iot_jitr_cli.doctor.diagnosis import CONCLUSIONS
from iot_jitr_cli.durations import format_time, in_words
from iot_jitr_cli.status.fleet import WAITING, Fleet, Unknown
from iot_jitr_cli.status.ledger import Cluster


def exit_code(fleet: Fleet) -> ExitCode:
    """0: no device is waiting or refused; 1: causes were found; 3: undetermined."""
    if fleet.clusters:
        return ExitCode.NO
    ledger = fleet.ledger
    unread = isinstance(ledger, Unknown) or not ledger.complete or isinstance(fleet.queues, Unknown)
    return ExitCode.UNDETERMINED if unread else ExitCode.OK


def lines(fleet: Fleet) -> Iterator[Text]:
    """The causes, the largest first, then the queue and the parts that could not be read."""
    width = max((len(f"{each.certificates:,}") for each in fleet.clusters), default=0)
    for each in fleet.clusters:
        yield from _cluster(each, fleet, width)
    if not fleet.clusters:
        fine = exit_code(fleet) is ExitCode.OK
        yield (
            Text("no device is waiting or refused", style="bold green")
            if fine
            else Text("undetermined: no cause was found in what could be read", style="yellow")
        )
    yield Text()
    yield from _rest(fleet)


def as_json(fleet: Fleet) -> dict[str, Any]:
    """The same as `--json` prints it. Times are seconds, or milliseconds since the epoch (`…_at`)."""
    ledger, queues = fleet.ledger, fleet.queues
    return {
        "conclusion": CONCLUSIONS[exit_code(fleet)],
        "clusters": [{**vars(each), "seconds": fleet.seconds(each.certificates)} for each in fleet.clusters],
        "rows": None if isinstance(ledger, Unknown) else ledger.rows,
        "complete": not isinstance(ledger, Unknown) and ledger.complete,
        "queue": None if isinstance(queues, Unknown) else queues,
        "per_second": fleet.per_second,
        "seconds_until_empty": fleet.seconds_until_empty,
        "unknown": fleet.unknown(*WAITING),
    }


def seconds_in_words(seconds: float | None) -> str:
    """A duration, or that it is unknown.

    >>> seconds_in_words(90.0), seconds_in_words(None)
    ('1 min 30 s', 'an unknown time')
    """
    return "an unknown time" if seconds is None else in_words(timedelta(seconds=seconds))


def rate_in_words(fleet: Fleet) -> str:
    """The rate for the computation of times, and its kind."""
    if fleet.per_second is None:
        return "at an unknown rate"
    kind = "the highest allowed" if fleet.per_second != fleet.activated_per_second else "as now"
    return f"at {fleet.per_second:.3g} a second, {kind}"


def _cluster(cluster: Cluster, fleet: Fleet, width: int) -> Iterator[Text]:
    indent = " " * (width + 2)
    yield Text.assemble(
        (f"{cluster.certificates:>{width},}", "bold red"),
        (f"  {cluster.title}", "bold"),
        f"  [{cluster.cause}]",
    )
    yield Text(f"{indent}→ {cluster.fix}")
    if cluster.example is not None:
        example = cluster.example
        yield Text(
            f"{indent}for example {printable(example.common_name or 'without a common name')}, decided "
            f"{format_time(example.decided_at)}: jitr doctor --certificate-id {example.certificate_id}"
        )
        yield Text(
            f"{indent}the first since {format_time(cluster.first_seen_at)}; to activate all takes "
            f"{seconds_in_words(fleet.seconds(cluster.certificates))}",
            style="dim",
        )


def _rest(fleet: Fleet) -> Iterator[Text]:
    queues, ledger = fleet.queues, fleet.ledger
    if not isinstance(queues, Unknown):
        text = f"{queues.messages:,} messages in the activation queue"
        if queues.messages:
            text += f": empty in {seconds_in_words(fleet.seconds_until_empty)} ({rate_in_words(fleet)})"
        yield Text(text)
    if not isinstance(ledger, Unknown):
        read = "all" if ledger.complete else "there are more: see --rows"
        yield Text(f"{ledger.rows:,} rows of the ledger were read ({read})", style="dim")
    for each in fleet.unknown(*WAITING):
        yield Text(f"? {printable(each.why)}", style="yellow")
