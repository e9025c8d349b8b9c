"""`jitr verify`: acceptance test of a deployed pipeline."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from iot_jitr_cli.connect.device import DEFAULT_TOPIC
from iot_jitr_cli.connect.endpoint import ca_file_option, endpoint_option, find_endpoint, read_account_host
from iot_jitr_cli.console import FILE, ExitCode, WrongUseError, json_option, out, print_json
from iot_jitr_cli.deployment import find_deployment, stack_option
from iot_jitr_cli.least_policy import Resources
from iot_jitr_cli.session import aws_session
from iot_jitr_cli.verify.cleanup import Cleanup
from iot_jitr_cli.verify.device import ThrowAwayDevice, read_files
from iot_jitr_cli.verify.permissions import minimal_policy
from iot_jitr_cli.verify.pipeline import Pipeline, issuing_ca
from iot_jitr_cli.verify.report import Report, as_document, as_junit, conclusion, line
from iot_jitr_cli.verify.run import Verification
from iot_jitr_cli.verify.steps import STEPS
from iot_jitr_runtime.stack_outputs import Output

DEFAULT_TIMEOUT = 180.0
"""Seconds; the sweep may begin one minute after the publication of a new CRL."""
_WIDTH = max(len(step.title) for step in STEPS)


@click.command()
@click.option(
    "--ca-cert", type=FILE, help="A CA of the deployment; a throw-away device is made with its key."
)
@click.option("--ca-key", type=FILE, help="The private key of --ca-cert. It stays on this machine.")
@click.option("--chain", type=FILE, help="Chain file of a throw-away device made elsewhere.")
@click.option("--key", type=FILE, help="The private key of --chain.")
@click.option(
    "--publish-crl",
    is_flag=True,
    help="Revoke the device too: publish the CA's CRL in force again, with the next CRL number and one "
    "additional entry. It stays in force until the CA publishes its next CRL.",
)
@endpoint_option
@ca_file_option
@click.option("--client-id", help="The device's client id. Default: the certificate's common name.")
@click.option(
    "--topic", default=DEFAULT_TOPIC, show_default=True, help="Topic for the device's publish and subscribe."
)
@click.option(
    "--timeout",
    type=click.FloatRange(1, 3600),
    default=DEFAULT_TIMEOUT,
    show_default=True,
    metavar="S",
    help="Time limit of each wait, in seconds.",
)
@click.option(
    "--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write a JUnit XML report too."
)
@click.option("--iam-policy", is_flag=True, help="Print the least IAM policy that this command needs.")
@stack_option
@json_option
def verify(  # noqa: PLR0913  a command's options are its arguments
    *,
    ca_cert: Path | None,
    ca_key: Path | None,
    chain: Path | None,
    key: Path | None,
    publish_crl: bool,
    endpoint: str | None,
    ca_file: Path | None,
    client_id: str | None,
    topic: str,
    timeout: float,
    junit: Path | None,
    iam_policy: bool,
    stack_name: str,
    as_json: bool,
) -> ExitCode | None:
    """Accept a deployed pipeline: test all stages of one throw-away device, then remove it.

    The device connects for the first time, is activated, publishes, is refused its neighbour's topics and
    client id, and is revoked if there is a CRL that may be changed. Forged events are sent. Everything that
    was created is removed, also after Ctrl-C. Exits 0 (all passed), 1 (a check failed) or 3 (undetermined:
    a permission or the network is missing, or something is left behind).
    """
    if iam_policy:
        print_json(minimal_policy(Resources.find(aws_session(), stack_name)))
        return None
    credentials, signer = read_files(ca_cert, ca_key, chain, key)
    session = aws_session()
    deployment = find_deployment(session, stack_name)
    pipeline = Pipeline(
        session, deployment, issuing_ca(session, deployment, credentials.chain.device), timeout
    )
    guarded_domain = deployment.get(Output.CONNECT_GUARD_DOMAIN_CONFIGURATION)
    reached = find_endpoint(
        endpoint, ca_file, os.environ, lambda: read_account_host(session.client("iot"), guarded_domain)
    )
    device = ThrowAwayDevice(credentials, reached, client_id or credentials.common_name, topic, signer)
    if status := pipeline.status(device.certificate_id):
        raise WrongUseError(
            f"the certificate {device.certificate_id} is registered and {status}: give a device that has "
            "never connected, as it is removed at the end"
        )
    report = Report(stack_name, deployment.region, device.certificate_id, device.client_id, datetime.now(UTC))
    cleanup = Cleanup(pipeline, device, report.left_behind)
    verification = Verification(pipeline, device, cleanup, report, publish_crl)
    if not as_json:
        verification.on_result = lambda result: out.print(line(result, _WIDTH))
    verification.run(STEPS)
    if junit:
        junit.write_bytes(as_junit(report))
    if as_json:
        print_json(as_document(report))
    else:
        for text in conclusion(report):
            out.print(text)
    return report.exit_code
