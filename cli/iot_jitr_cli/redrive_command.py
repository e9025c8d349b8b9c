"""`jitr redrive`: queue dead letters and pending certificates again."""

from datetime import timedelta

import click
from rich.progress import Progress, SpinnerColumn, TextColumn

from iot_jitr_cli.console import ExitCode, err, json_option, out, print_json
from iot_jitr_cli.deployment import find_deployment, stack_option
from iot_jitr_cli.redrive import PendingSearch, Redriven, redrive_dead_letters
from iot_jitr_cli.session import aws_session
from iot_jitr_runtime.ledger import Ledger
from iot_jitr_runtime.reconciler.listing import CertificateList
from iot_jitr_runtime.reconciler.requeue import ActivationQueue
from iot_jitr_runtime.stack_outputs import Output


@click.command()
@click.option(
    "--pending-minutes",
    type=click.IntRange(min=0),
    default=15,
    show_default=True,
    help="Certificates that have been pending for less are left out.",
)
@stack_option
@json_option
def redrive(*, pending_minutes: int, stack_name: str, as_json: bool) -> ExitCode:
    """Queue dead letters and undecided certificates again.

    For when the cause is fixed: a dead letter is decided anew, and comes back if its error is still there.
    Pending certificates without a decision are found in AWS IoT's own list and queued.
    """
    session = aws_session()
    deployment = find_deployment(session, stack_name)
    sqs = session.client("sqs")
    queue_url = deployment[Output.ACTIVATION_QUEUE_URL]
    dead_letters = redrive_dead_letters(sqs, deployment[Output.DEAD_LETTER_QUEUE_URL], queue_url)
    search = PendingSearch(
        CertificateList(session.client("iot")),
        Ledger(session.client("dynamodb"), deployment[Output.LEDGER_TABLE]),
        ActivationQueue(sqs, queue_url),
    )
    pending = seen = 0
    columns = (SpinnerColumn(), TextColumn("{task.completed} certificates read"))
    quiet = as_json or not err.is_terminal
    with Progress(*columns, console=err, transient=True, disable=quiet) as progress:
        task = progress.add_task("read", total=None)
        for ca in deployment.cas:
            found, read = search.run(
                ca.certificate_id,
                timedelta(minutes=pending_minutes),
                lambda count: progress.advance(task, count),
            )
            pending, seen = pending + found, seen + read
    result = Redriven(dead_letters, pending, seen)
    if as_json:
        print_json(result)
    else:
        out.print(f"queued again: {result.dead_letters} dead letters, {result.pending} pending certificates")
        out.print(f"certificates read: {result.certificates_seen}")
    return ExitCode.OK
