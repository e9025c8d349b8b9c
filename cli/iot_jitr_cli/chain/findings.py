"""The findings about a chain file, with stable ids for `--json` and `jitr doctor`."""

from dataclasses import dataclass
from enum import StrEnum

from iot_jitr_cli.console import ExitCode


class CheckId(StrEnum):
    """The checks, in the order of the output. Values are a stable interface: added, but never renamed."""

    READABLE = "chain.readable"
    """The file contains X.509 certificates, PEM or DER."""
    CA_INCLUDED = "chain.ca_included"
    """The CA certificate that signed the device certificate is in the file."""
    ORDER = "chain.order"
    """The device certificate is the first, the CA certificate the second (RFC 8446 section 4.4.2)."""
    NOTHING_EXTRA = "chain.nothing_extra"
    """The file contains only these two certificates."""
    NO_PRIVATE_KEY = "chain.no_private_key"
    """The file contains no private key: its content is sent to others."""
    NOT_A_CA = "device.not_a_ca"
    """The device certificate is not a CA's."""
    ISSUER = "device.issuer"
    """The device certificate's issuer is the CA certificate's subject."""
    SIGNATURE = "device.signature"
    """The CA's key signed the device certificate."""
    VALIDITY = "device.validity"
    """The device certificate is within its validity period."""
    KEY_ALGORITHM = "device.key_algorithm"
    """AWS IoT Core supports the key type of the device certificate."""
    SIGNATURE_ALGORITHM = "device.signature_algorithm"
    """AWS IoT Core supports the signature algorithm of the device certificate."""
    CLIENT_USE = "device.client_use"
    """The key usages of the device certificate allow a TLS client."""
    COMMON_NAME = "device.common_name"
    """The common name can be used as client id and in policy variables."""
    CA_MAY_SIGN = "ca.may_sign"
    """The CA certificate allows signing certificates."""
    CA_VALIDITY = "ca.validity"
    """The CA certificate is within its validity period."""
    CA_KEY_ALGORITHM = "ca.key_algorithm"
    """AWS IoT Core supports the key type of the CA certificate."""
    CA_SIGNATURE_ALGORITHM = "ca.signature_algorithm"
    """AWS IoT Core supports the signature algorithm of the CA certificate."""
    KEY_READABLE = "key.readable"
    """The key file contains a private key."""
    KEY_MATCHES = "key.matches"
    """The private key is the device certificate's."""


class ChainStatus(StrEnum):
    """The status of a check."""

    PASSED = "passed"
    FAILED = "failed"
    """The device cannot connect, or cannot connect with some clients or brokers."""
    WARNING = "warning"
    """The file works, but with a disadvantage or with a limitation."""
    NOT_CHECKED = "not_checked"
    """The check could not be made, because its input is missing or cannot be read."""


@dataclass(frozen=True)
class ChainFinding:
    """The result of one check: the evidence and, unless the check passed, the fix."""

    id: CheckId
    status: ChainStatus
    found: str
    fix: str = ""


@dataclass(frozen=True)
class ChainReport:
    """All findings about one chain file."""

    findings: tuple[ChainFinding, ...]

    def __getitem__(self, check: CheckId) -> ChainFinding:
        """The finding of one check; `KeyError` if the check was not made (no key given, file unreadable)."""
        return {finding.id: finding for finding in self.findings}[check]

    @property
    def exit_code(self) -> ExitCode:
        """`NO` if a check failed, `UNDETERMINED` if one could not be made, else `OK`."""
        statuses = {finding.status for finding in self.findings}
        if ChainStatus.FAILED in statuses:
            return ExitCode.NO
        return ExitCode.UNDETERMINED if ChainStatus.NOT_CHECKED in statuses else ExitCode.OK
