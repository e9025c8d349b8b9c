"""`jitr pki`: a development CA, its device certificates and its CRLs."""

from datetime import timedelta
from pathlib import Path
from shlex import quote

import click

from iot_jitr_cli.console import WrongUseError, json_option, out, print_json
from iot_jitr_cli.pki.authority import DEFAULT_NAME, DEVICES, DevelopmentCa
from iot_jitr_cli.pki.device import DEFAULT_DAYS, DeviceSpec
from iot_jitr_cli.pki.files import replace_public
from iot_jitr_cli.pki.keys import KeyKind
from iot_jitr_cli.pki.revocation_list import CRL_FILE, REASONS, RevocationList, serial_of
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.outcomes import RefusedError
from iot_jitr_runtime.policy.common_name import check_common_name

_DIRECTORY = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_KEY = click.Choice([kind.value for kind in KeyKind])


@click.group()
def pki() -> None:
    """A development CA, its device certificates and its revocation list."""


@pki.command()
@click.argument("directory", metavar="DIR", type=_DIRECTORY)
@click.option("--name", default=DEFAULT_NAME, show_default=True, help="The CA's common name.")
@click.option("--key", "kind", type=_KEY, default=KeyKind.EC_P256.value, show_default=True)
@json_option
def ca(directory: Path, name: str, kind: str, *, as_json: bool) -> None:
    """Make a development CA: DIR/ca.pem and DIR/ca.key.

    Existing files are never overwritten. Keep the key off devices and out of version control.
    """
    authority = DevelopmentCa.create(name, KeyKind(kind))
    certificate_file, key_file = authority.save(directory)
    if as_json:
        print_json(
            {
                "certificate": certificate_file,
                "key": key_file,
                "subject": authority.certificate.subject,
                "not_after": authority.certificate.not_after,
            }
        )
        return
    out.print(f"CA certificate  {certificate_file}  (register this one)")
    out.print(f"private key     {key_file}  (mode 0600; never give it to a device)")
    out.print(f"next: jitr pki device {quote(str(directory))} COMMON-NAME")


@pki.command()
@click.argument("directory", metavar="DIR", type=_DIRECTORY)
@click.argument("common_name", metavar="CN")
@click.option("--key", "kind", type=_KEY, default=KeyKind.EC_P256.value, show_default=True)
@click.option(
    "--days", type=click.IntRange(1, 36500), default=DEFAULT_DAYS, show_default=True, help="Validity in days."
)
@click.option(
    "--any-name", is_flag=True, help="Sign a common name even if it would be refused at registration."
)
@json_option
def device(  # noqa: PLR0913  a command's options are its arguments
    directory: Path, common_name: str, kind: str, days: int, *, any_name: bool, as_json: bool
) -> None:
    """Make a device's key, certificate and chain file, signed by the CA in DIR.

    They go into DIR/devices/ as CN.key, CN.pem and CN.chain.pem; the device needs the key and the chain
    file. Existing files are never overwritten.
    """
    authority = DevelopmentCa.load(directory)
    identity = authority.issue(DeviceSpec(common_name, KeyKind(kind), Validity.days(days)))
    if not any_name:
        try:
            check_common_name(identity.certificate)
        except RefusedError as error:
            raise WrongUseError(
                f"{error}: it would never be activated; choose another, or sign it with --any-name"
            ) from error
    files = identity.save(directory / DEVICES)
    if as_json:
        print_json(
            {
                "key": files.key,
                "certificate": files.certificate,
                "chain": files.chain,
                "certificate_id": identity.certificate.fingerprint,
                "serial_number": identity.certificate.serial_number,
                "not_after": identity.certificate.not_after,
            }
        )
        return
    out.print(
        f"chain file   {files.chain}  (device certificate, then its CA's: what the device presents)",
    )
    out.print(f"private key  {files.key}  (mode 0600)")
    out.print(f"certificate  {files.certificate}  (id {identity.certificate.fingerprint})")
    out.print(f"next: jitr connect {quote(str(files.chain))} --key {quote(str(files.key))}")


@pki.command()
@click.argument("directory", metavar="DIR", type=_DIRECTORY)
@click.option(
    "--revoke",
    "revoked",
    metavar="FILE-OR-SERIAL",
    multiple=True,
    help="A certificate to revoke: its file, or its serial number in hexadecimal. Repeatable.",
)
@click.option(
    "--reason",
    type=click.Choice(list(REASONS)),
    default="unspecified",
    show_default=True,
    help="Reason of --revoke. Only certificateHold can be released again; all others are final.",
)
@click.option(
    "--release", "released", metavar="FILE-OR-SERIAL", multiple=True, help="A certificate on hold to release."
)
@click.option(
    "--hours", type=click.IntRange(1, 87600), default=168, show_default=True, help="Hours until nextUpdate."
)
@click.option("--partition", metavar="URL", help="Cover only certificates with this distribution point.")
@click.option("--out", "target", type=_FILE, help=f"The list's file.  [default: DIR/{CRL_FILE}]")
@json_option
def crl(  # noqa: PLR0913, PLR0917  a command's options are its arguments
    directory: Path,
    revoked: tuple[str, ...],
    reason: str,
    released: tuple[str, ...],
    hours: int,
    partition: str | None,
    target: Path | None,
    *,
    as_json: bool,
) -> None:
    """Sign a revocation list with the CA in DIR.

    An existing list in the file is continued: the new list (DER) has the same entries and the next CRL
    number.
    """
    authority = DevelopmentCa.load(directory)
    path = target or directory / CRL_FILE
    revocations = RevocationList.read(authority, path)
    for text in revoked:
        revocations.revoke(serial_of(text, authority.certificate), REASONS[reason])
    for text in released:
        revocations.release(serial_of(text, authority.certificate))
    life = timedelta(hours=hours)
    replace_public(path, revocations.sign(life, partition))
    if as_json:
        print_json({"crl": path, "number": revocations.number, "entries": len(revocations.entries)})
        return
    out.print(
        f"revocation list  {path}  (number {revocations.number}, {len(revocations.entries)} certificates)",
    )
