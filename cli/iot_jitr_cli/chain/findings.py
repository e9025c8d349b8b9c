"""The findings about a chain file, with stable ids for `--json` and `jitr doctor`."""

from dataclasses import dataclass
from enum import StrEnum

from iot_jitr_cli.console import ExitCode


class CheckId(StrEnum):
    """The checks, in the order they are shown. Values are a stable interface: added to, never renamed."""

    READABLE = "chain.readable"
    """The file contains X.509 certificates, PEM or DER."""
    CA_INCLUDED = "chain.ca_included"
    """The CA certificate that signed the device certificate is in the file."""
    ORDER = "chain.order"
    """The device certificate comes first, its CA's second (RFC 8446 section 4.4.2)."""
    NOTHING_EXTRA = "chain.nothing_extra"
    """No certificate beyond those two."""
    NO_PRIVATE_KEY = "chain.no_private_key"
    """The file, which is sent to others, contains no private key."""
    NOT_A_CA = "device.not_a_ca"
    """The device certificate is not a CA's."""
    ISSUER = "device.issuer"
    """The device certificate's issuer is the CA certificate's subject."""
    SIGNATURE = "device.signature"
    """The CA's key signed the device certificate."""
    VALIDITY = "device.validity"
    """The device certificate is within its validity period."""
    KEY_ALGORITHM = "device.key_algorithm"
    """AWS IoT Core supports the device's kind of key."""
    SIGNATURE_ALGORITHM = "device.signature_algorithm"
    """AWS IoT Core supports the algorithm the device certificate is signed with."""
    CLIENT_USE = "device.client_use"
    """The device certificate may be used by a TLS client."""
    COMMON_NAME = "device.common_name"
    """The common name serves as client id and in policy variables."""
    CA_MAY_SIGN = "ca.may_sign"
    """The CA certificate allows signing certificates."""
    CA_VALIDITY = "ca.validity"
    """The CA certificate is within its validity period."""
    CA_KEY_ALGORITHM = "ca.key_algorithm"
    """AWS IoT Core supports the CA's kind of key."""
    CA_SIGNATURE_ALGORITHM = "ca.signature_algorithm"
    """AWS IoT Core supports the algorithm the CA certificate is signed with."""
    KEY_READABLE = "key.readable"
    """The key file contains a private key."""
    KEY_MATCHES = "key.matches"
    """The private key is the device certificate's."""


class ChainStatus(StrEnum):
    """The status of a check."""

    PASSED = "passed"
    FAILED = "failed"
    """The device cannot connect, or not with every client or broker."""
    WARNING = "warning"
    """It works, but not well or not everywhere."""
    NOT_CHECKED = "not_checked"
    """The check could not be made, because something it depends on is missing or broken."""


@dataclass(frozen=True)
class ChainFinding:
    """The result of one check: what was found and, unless it passed, what to do."""

    id: CheckId
    status: ChainStatus
    found: str
    fix: str = ""


@dataclass(frozen=True)
class ChainReport:
    """All findings about one chain file."""

    findings: tuple[ChainFinding, ...]

    def __getitem__(self, check: CheckId) -> ChainFinding:
        """The finding of one check; `KeyError` if it was not made (no key given, file unreadable)."""
        return {finding.id: finding for finding in self.findings}[check]

    @property
    def exit_code(self) -> ExitCode:
        """`NO` if a check failed, `UNDETERMINED` if one could not be made, else `OK`."""
        statuses = {finding.status for finding in self.findings}
        if ChainStatus.FAILED in statuses:
            return ExitCode.NO
        return ExitCode.UNDETERMINED if ChainStatus.NOT_CHECKED in statuses else ExitCode.OK
