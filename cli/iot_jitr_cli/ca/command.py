"""`jitr ca`: registered CA certificates, and verification certificates for offline keys."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from iot_jitr_cli.ca.offline import sign_verification
from iot_jitr_cli.ca.report import CaReport, report, resolve
from iot_jitr_cli.console import FILE, WrongUseError, err, json_option, out, print_json, printable
from iot_jitr_cli.pki.files import write_public
from iot_jitr_cli.session import aws_session
from iot_jitr_runtime.aws_errors import error_code
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaState, CaStatus
from iot_jitr_runtime.ca_registration.registry import EXPLAINED, CaRegistry, RegistryError
from iot_jitr_runtime.certificates import NO_END

_DEFAULT_DAYS = 30


class CaGroup(click.Group):
    """Raises an error of the AWS SDK unchanged if the registry has nothing to add.

    For all commands, `session.explain` has the fixes for network and credentials.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except RegistryError as error:
            if error.__cause__ is None or error_code(error.__cause__) in EXPLAINED:
                raise
            raise error.__cause__ from None


@click.group(cls=CaGroup)
def ca() -> None:
    """CA certificates registered with AWS IoT; verification certificates for offline keys."""


@ca.command(name="list")
@json_option
def list_command(*, as_json: bool) -> None:
    """All CA certificates of the account and region, with their auto-registration status."""
    registry = _registry()
    found = [report(registry, ca_id) for ca_id in registry.ids()]
    if as_json:
        print_json([_plain(each) for each in found])
        return
    if not found:
        out.print("no CA certificate is registered in this account and region")
    for each in found:
        _print_line(each)


@ca.command()
@click.argument("ca_id", metavar="ID")
@json_option
def show(ca_id: str, *, as_json: bool) -> None:
    """Everything about one CA certificate. ID may be shortened to where it is unique."""
    _, found = _find(ca_id)
    if as_json:
        print_json(_plain(found))
        return
    ca = found.ca
    rows = {
        "id": ca.ca_id,
        "ARN": ca.arn,
        "subject": ca.certificate.subject,
        "status": ca.state.status.value,
        "auto-registration": ca.state.auto_registration.value,
        "registers devices": "yes" if found.registers_devices else "no",
        "mode": ca.mode.value,
        "valid": f"{ca.certificate.not_before:%Y-%m-%d %H:%M:%SZ} to "
        f"{ca.certificate.not_after:%Y-%m-%d %H:%M:%SZ}",
        "provisioning template": "yes: AWS activates its devices itself" if ca.has_template else "no",
        "managed by": _managed_by(found),
    }
    for name, value in rows.items():
        out.print(f"{name:<22} {printable(value)}")
    if found.steps_off_template:
        out.print("AWS's template activates devices past every check of this project. Steps off it:")
    for number, (purpose, command) in enumerate(found.steps_off_template, 1):
        out.print(f"  {number}. {purpose}:\n     {command}")
    out.print(ca.certificate.pem.rstrip())


@ca.command(name="registration-code")
@json_option
def registration_code(*, as_json: bool) -> None:
    """The registration code of the account and region: step one of registering a CA with an offline key."""
    code = _registry().registration_code()
    if as_json:
        print_json({"registration_code": code})
        return
    click.echo(code)


@ca.command(name="sign-verification")
@click.argument("code", metavar="REGISTRATION-CODE")
@click.option("--ca-cert", "ca_cert", required=True, type=FILE, help="The CA certificate, PEM or DER.")
@click.option("--ca-key", "ca_key", required=True, type=FILE, help="Its private key, PEM or DER.")
@click.option(
    "--out",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write (default: standard output).",
)
@click.option(
    "--days", type=click.IntRange(1, 365), default=_DEFAULT_DAYS, show_default=True, help="Validity in days."
)
@json_option
def sign_verification_command(  # noqa: PLR0913  a command's options are its arguments
    code: str, ca_cert: Path, ca_key: Path, target: Path | None, days: int, *, as_json: bool
) -> None:
    """Sign a verification certificate, step two: on the machine that has the CA's key. Needs no network.

    The command prompts for the passphrase of an encrypted key. Copy the result to step three; it is public.
    """
    pem = sign_verification(
        code,
        ca_cert,
        ca_key,
        validity=timedelta(days=days),
        ask_passphrase=lambda: str(click.prompt(f"passphrase of {ca_key}", hide_input=True, err=True)),
    )
    if target is not None:
        write_public(target, pem.encode())
    if as_json:
        print_json({"verification_certificate": pem, "file": target})
    elif target is None:
        click.echo(pem, nl=False)
    else:
        out.print(f"verification certificate  {target}  (for {days} days)")


@ca.command()
@click.argument("ca_id", metavar="ID")
@json_option
def enable(ca_id: str, *, as_json: bool) -> None:
    """Register new devices of a CA: make it ACTIVE and turn its auto-registration on."""
    registry, found = _find(ca_id)
    if found.ca.has_template:
        raise WrongUseError(
            f"CA certificate {found.ca.ca_id} has a provisioning template: AWS would activate its devices "
            f"past every check; 'jitr ca show {found.ca.ca_id}' lists the steps to remove it"
        )
    _switch(registry, found, CaState(CaStatus.ACTIVE, AutoRegistration.ENABLE), as_json=as_json)


@ca.command()
@click.argument("ca_id", metavar="ID")
@json_option
def disable(ca_id: str, *, as_json: bool) -> None:
    """Register no new devices of a CA: turn its auto-registration off. Active devices stay connected."""
    registry, found = _find(ca_id)
    _switch(registry, found, CaState(found.ca.state.status, AutoRegistration.DISABLE), as_json=as_json)


def _registry() -> CaRegistry:
    return CaRegistry(aws_session().client("iot"))


def _find(text: str) -> tuple[CaRegistry, CaReport]:
    """The CA certificate whose id is `text` or begins with `text`."""
    registry = _registry()
    return registry, report(registry, resolve(registry, text))


def _plain(found: CaReport) -> dict[str, Any]:
    ca = found.ca
    return {
        "certificate_id": ca.ca_id,
        "arn": ca.arn,
        "subject": ca.certificate.subject,
        **vars(ca.state),
        "mode": ca.mode,
        "not_before": ca.certificate.not_before,
        "not_after": ca.certificate.not_after,
        "has_provisioning_template": ca.has_template,
        "managed_by": found.managed_by,
        "adopted": found.adopted,
        "certificate_pem": ca.certificate.pem,
        "registers_devices": found.registers_devices,
        "steps_off_template": [
            {"for": purpose, "command": command} for purpose, command in found.steps_off_template
        ],
    }


def _print_line(found: CaReport) -> None:
    ca = found.ca
    facts = [_state(ca.state), f"mode {ca.mode}", _end(ca.certificate.not_after), _managed_by(found)]
    if ca.has_template:
        facts.append("has a provisioning template")
    out.print(f"{ca.ca_id}  {printable(ca.certificate.subject)}")
    out.print(f"    {', '.join(facts)}")


def _state(state: CaState) -> str:
    return f"{state.status} auto-registration {state.auto_registration}"


def _end(not_after: datetime) -> str:
    if not_after == NO_END:
        return "without an end"
    days = (not_after - datetime.now(UTC)).days
    return f"until {not_after:%Y-%m-%d} ({days} days)" if days >= 0 else f"expired {not_after:%Y-%m-%d}"


def _managed_by(found: CaReport) -> str:
    if found.managed_by is None:
        return "no stack of iot-jitr"
    return found.managed_by + (", adopted" if found.adopted else "")


def _switch(registry: CaRegistry, found: CaReport, state: CaState, *, as_json: bool) -> None:
    ca_id = found.ca.ca_id
    registry.set_state(ca_id, state)
    if found.managed_by is not None:
        err.print(
            f"note: {found.managed_by} manages this CA; its next deployment that changes the CA sets what "
            "the configuration says"
        )
    if as_json:
        print_json({"certificate_id": ca_id, **vars(state)})
    else:
        out.print(f"{ca_id}  {_state(state)}")
