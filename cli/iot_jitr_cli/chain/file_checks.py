"""Checks of the chain file: its certificates and their order."""

from typing import TYPE_CHECKING

from iot_jitr_cli.chain.findings import CheckId, Finding, failed, not_checked, passed, warning
from iot_jitr_cli.chain.parsing import signed

if TYPE_CHECKING:
    from iot_jitr_cli.chain.parsing import Chain

JOIN = "cat device.pem ca.pem > device.chain.pem"


def check_readable(chain: "Chain") -> Finding:
    """Report the certificates that were read."""
    count = len(chain.certificates)
    return passed(CheckId.READABLE, f"{count} certificate{'s' if count > 1 else ''} ({chain.encoding})")


def check_ca_included(chain: "Chain") -> Finding:
    """Check that the CA certificate is in the file.

    AWS IoT Core also takes a lone device certificate, but only from a client that sends SNI.
    """
    device = chain.device
    if chain.ca is not None:
        return passed(CheckId.CA_INCLUDED, f"'{chain.ca.subject}'")
    if device.x509.issuer == device.x509.subject:
        return failed(
            CheckId.CA_INCLUDED,
            f"the only certificate, '{device.subject}', is signed by itself",
            "present a certificate that was signed by the registered CA, followed by that CA's certificate",
        )
    return failed(
        CheckId.CA_INCLUDED,
        f"only the device certificate; its CA's, '{device.x509.issuer.rfc4514_string()}', is missing",
        f"append the CA certificate: {JOIN} (only clients that send SNI may leave it out)",
    )


def check_order(chain: "Chain") -> Finding:
    """Check that the device certificate comes first and its CA's second."""
    expected = [chain.device, *([chain.ca] if chain.ca else [])]
    if list(chain.certificates[: len(expected)]) == expected:
        return passed(CheckId.ORDER, "device certificate first" + (", then its CA's" if chain.ca else ""))
    position = chain.certificates.index(chain.device) + 1
    return failed(
        CheckId.ORDER,
        f"the device certificate is number {position} of {len(chain.certificates)}"
        + (f", its CA's number {chain.certificates.index(chain.ca) + 1}" if chain.ca else ""),
        f"put the device certificate first, its CA's second: {JOIN}",
    )


def check_nothing_extra(chain: "Chain") -> Finding:
    """Check that nothing but the two certificates is sent at every handshake."""
    if chain.ca is None:
        return not_checked(CheckId.NOTHING_EXTRA, "the CA certificate is missing")
    extra = list(chain.certificates)
    extra.remove(chain.device)
    extra.remove(chain.ca)
    if not extra:
        return passed(CheckId.NOTHING_EXTRA, "the device certificate and its CA's, nothing else")
    names = ", ".join(f"'{certificate.subject}'" for certificate in extra)
    if len(extra) == 1 and signed(extra[0], chain.ca):
        return warning(
            CheckId.NOTHING_EXTRA,
            f"also the CA's own issuer, {names}",
            f"leave it out, it costs bytes at every handshake and is not looked at: {JOIN}",
        )
    return failed(
        CheckId.NOTHING_EXTRA,
        f"certificates that do not belong to this chain: {names}",
        f"leave only the device certificate and its CA's: {JOIN}",
    )


def check_no_private_key(chain: "Chain") -> Finding:
    """Check that the file holds nothing secret."""
    if not chain.holds_private_key:
        return passed(CheckId.NO_PRIVATE_KEY, "none")
    return warning(
        CheckId.NO_PRIVATE_KEY,
        "the file also holds a private key",
        "keep the key in a separate file that only the device can read (mode 0600)",
    )
