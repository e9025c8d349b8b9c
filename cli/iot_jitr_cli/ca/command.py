"""`jitr ca`: registered CA certificates, and verification certificates for offline keys."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from iot_jitr_cli.ca.offline import sign_verification
from iot_jitr_cli.ca.report import CaReport, report, reports, resolve
from iot_jitr_cli.console import FILE, WrongUseError, err, json_option, out, print_json, printable
from iot_jitr_cli.pki.files import write_public
from iot_jitr_cli.session import aws_session
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaState, CaStatus
from iot_jitr_runtime.ca_registration.registry import CaRegistry, RegistryError
from iot_jitr_runtime.certificates import NO_END

_DEFAULT_DAYS = 30


class CaGroup(click.Group):
    """Raises an error of the AWS SDK itself where the registry has nothing to add.

    What to do about a network or credentials stands in one place for all commands.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except RegistryError as error:
            if not error.is_explained and error.__cause__ is not None:
                raise error.__cause__ from None
            raise


@click.group(cls=CaGroup)
def ca() -> None:
    """CA certificates registered with AWS IoT; verification certificates for offline keys."""


@ca.command(name="list")
@json_option
def list_command(*, as_json: bool) -> None:
    """All CA certificates of the account and region, with their auto-registration status."""
    found = reports(_registry())
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
    registry = _registry()
    found = report(registry, resolve(registry, ca_id))
    if as_json:
        print_json(_plain(found))
        return
    rows = {
        "id": found.certificate_id,
        "ARN": found.arn,
        "subject": found.subject,
        "status": found.status.value,
        "auto-registration": found.auto_registration.value,
        "registers devices": "yes" if found.registers_devices else "no",
        "mode": found.mode.value,
        "valid": f"{found.not_before:%Y-%m-%d %H:%M:%SZ} to {found.not_after:%Y-%m-%d %H:%M:%SZ}",
        "provisioning template": "yes: AWS activates its devices itself"
        if found.has_provisioning_template
        else "no",
        "managed by": _managed_by(found),
    }
    for name, value in rows.items():
        out.print(f"{name:<22} {printable(value)}", markup=False)
    _print_steps_off_template(found)
    out.print(found.certificate_pem.rstrip(), markup=False)


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
    """Sign a verification certificate, step two: on the machine that holds the CA's key. Needs no network.

    The passphrase of an encrypted key is asked for. Carry the result back; it is public.
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
        out.print(f"verification certificate  {target}  (for {days} days)", markup=False)


@ca.command()
@click.argument("ca_id", metavar="ID")
@json_option
def enable(ca_id: str, *, as_json: bool) -> None:
    """Register new devices of a CA: make it ACTIVE and turn its auto-registration on."""
    registry = _registry()
    found = report(registry, resolve(registry, ca_id))
    if found.has_provisioning_template:
        raise WrongUseError(
            f"CA certificate {found.certificate_id} has a provisioning template: AWS would activate its "
            f"devices past every check; 'jitr ca show {found.certificate_id}' says how to take it off"
        )
    _switch(registry, found, CaState(CaStatus.ACTIVE, AutoRegistration.ENABLE), as_json=as_json)


@ca.command()
@click.argument("ca_id", metavar="ID")
@json_option
def disable(ca_id: str, *, as_json: bool) -> None:
    """Register no new devices of a CA: turn its auto-registration off. Active devices stay connected."""
    registry = _registry()
    found = report(registry, resolve(registry, ca_id))
    _switch(registry, found, CaState(found.status, AutoRegistration.DISABLE), as_json=as_json)


def _registry() -> CaRegistry:
    return CaRegistry(aws_session().client("iot"))


def _plain(ca: CaReport) -> dict[str, Any]:
    steps = [{"for": purpose, "command": command} for purpose, command in ca.steps_off_template]
    return {**asdict(ca), "registers_devices": ca.registers_devices, "steps_off_template": steps}


def _print_steps_off_template(ca: CaReport) -> None:
    if ca.steps_off_template:
        out.print("AWS's template activates devices past every check of this project. Steps off it:")
    for number, (purpose, command) in enumerate(ca.steps_off_template, 1):
        out.print(f"  {number}. {purpose}:\n     {command}", markup=False)


def _print_line(ca: CaReport) -> None:
    facts = [
        f"{ca.status} auto-registration {ca.auto_registration}",
        f"mode {ca.mode}",
        _end(ca.not_after),
        _managed_by(ca),
    ]
    if ca.has_provisioning_template:
        facts.append("has a provisioning template")
    out.print(f"{ca.certificate_id}  {printable(ca.subject)}", markup=False)
    out.print(f"    {', '.join(facts)}", markup=False)


def _end(not_after: datetime) -> str:
    if not_after == NO_END:
        return "without an end"
    days = (not_after - datetime.now(UTC)).days
    return f"until {not_after:%Y-%m-%d} ({days} days)" if days >= 0 else f"expired {not_after:%Y-%m-%d}"


def _managed_by(ca: CaReport) -> str:
    if ca.managed_by is None:
        return "no stack of iot-jitr"
    return ca.managed_by + (", adopted" if ca.adopted else "")


def _switch(registry: CaRegistry, ca: CaReport, state: CaState, *, as_json: bool) -> None:
    registry.set_state(ca.certificate_id, state)
    if ca.managed_by is not None:
        err.print(
            f"note: {ca.managed_by} manages this CA; its next deployment that changes the CA sets "
            "what the configuration says",
            markup=False,
        )
    if as_json:
        print_json({"certificate_id": ca.certificate_id, **asdict(state)})
        return
    out.print(
        f"{ca.certificate_id}  {state.status} auto-registration {state.auto_registration}", markup=False
    )
