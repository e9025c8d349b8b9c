"""`jitr doctor`: why is this device not active?"""

from datetime import datetime
from pathlib import Path

import click

from iot_jitr_cli.chain import UnreadableChainError, parse_chain
from iot_jitr_cli.connect.endpoint import Endpoint
from iot_jitr_cli.console import FILE, ExitCode, Moment, WrongUseError, json_option, out, print_json
from iot_jitr_cli.deployment import stack_option
from iot_jitr_cli.doctor.case import Case, Subject
from iot_jitr_cli.doctor.diagnosis import Diagnosis, diagnose, unreadable
from iot_jitr_cli.doctor.permissions import minimal_policy
from iot_jitr_cli.doctor.report import as_json as report_as_json
from iot_jitr_cli.doctor.report import checklist, conclusion
from iot_jitr_cli.least_policy import Resources
from iot_jitr_cli.pki.keys import UnreadableKeyError, load_key
from iot_jitr_cli.session import aws_session
from iot_jitr_cli.status import waiting_view
from iot_jitr_cli.status.fleet import ALL_ROWS, Fleet
from iot_jitr_runtime.accepted_algorithms import PrivateKey
from iot_jitr_runtime.identifiers import ID_FORMAT, CertificateId


@click.command()
@click.argument("chain_file", metavar="[CHAIN]", type=FILE, required=False)
@click.option("--certificate-id", help="The device certificate's id, in place of its chain file.")
@click.option("--key", "key_file", type=FILE, help="The device's private key: is it this certificate's?")
@click.option("--endpoint", metavar="HOST[:PORT]", help="The endpoint of the device.")
@click.option("--sni/--no-sni", default=None, help="Whether the device sends SNI.")
@click.option("--client-id", help="The device's client id; default: its common name.")
@click.option(
    "--device-time",
    metavar="TIME",
    type=Moment(),
    help="The present time of the device's clock, ISO 8601, UTC unless it has an offset.",
)
@click.option("--all", "all_devices", is_flag=True, help="The causes of all devices that are not active.")
@click.option(
    "--rows",
    type=click.IntRange(1, 10_000_000),
    default=ALL_ROWS,
    show_default=True,
    help="Rows of the ledger to read at most, with --all.",
)
@click.option("--iam-policy", is_flag=True, help="Print the least IAM policy that this command needs.")
@stack_option
@json_option
def doctor(  # noqa: PLR0913  a command's options are its arguments
    chain_file: Path | None,
    *,
    certificate_id: str | None,
    key_file: Path | None,
    endpoint: str | None,
    client_id: str | None,
    device_time: datetime | None,
    stack_name: str,
    sni: bool | None,
    all_devices: bool,
    rows: int,
    iam_policy: bool,
    as_json: bool,
) -> ExitCode | None:
    """Say why a device is not active: a checklist along its path, and the one most likely cause.

    With --all, the causes of all devices that are not active, from the last record in the ledger.

    Reads only: nothing is changed. Exits 0 (no problem was found), 1 (the cause is found) or 3
    (undetermined, for example because a permission is missing).
    """
    if iam_policy:
        print_json(minimal_policy(Resources.find(aws_session(), stack_name)))
        return None
    if (chain_file is not None) + (certificate_id is not None) + all_devices != 1:
        raise WrongUseError(
            "give the device's chain file, or its certificate's id with --certificate-id, or --all"
        )
    if all_devices:
        return _show_all(Fleet(aws_session(), stack_name, rows), as_json=as_json)
    key_content = key_file.read_bytes() if key_file and chain_file else None
    try:
        chain = parse_chain(chain_file.read_bytes(), _key(key_content)) if chain_file else None
    except UnreadableChainError as error:
        return _show(None, unreadable(str(error)), as_json=as_json)
    subject = Subject(
        certificate_id=chain.device.fingerprint if chain else _checked(certificate_id or ""),
        chain=chain,
        key_file=key_content,
        endpoint=Endpoint.parse(endpoint).host if endpoint else None,
        sends_sni=sni,
        client_id=client_id,
        clock=device_time,
    )
    return _show(subject.certificate_id, diagnose(Case(aws_session(), stack_name, subject)), as_json=as_json)


def _show(certificate_id: CertificateId | None, diagnosis: Diagnosis, *, as_json: bool) -> ExitCode:
    if as_json:
        print_json(report_as_json(certificate_id, diagnosis))
    else:
        for line in (*checklist(diagnosis), "", *conclusion(diagnosis)):
            out.print(line)
    return diagnosis.exit_code


def _show_all(fleet: Fleet, *, as_json: bool) -> ExitCode:
    if as_json:
        print_json(waiting_view.as_json(fleet))
    else:
        for line in waiting_view.lines(fleet):
            out.print(line)
    return waiting_view.exit_code(fleet)


def _key(content: bytes | None) -> PrivateKey | None:
    """The private key; None if none is given, or if it cannot be read (a check reports that)."""
    try:
        return load_key(content) if content is not None else None
    except UnreadableKeyError:
        return None


def _checked(certificate_id: str) -> CertificateId:
    if not ID_FORMAT.fullmatch(certificate_id):
        raise WrongUseError(
            f"'{certificate_id[:80]}' is not a certificate id: expected 64 lower-case hexadecimal digits"
        )
    return CertificateId(certificate_id)
