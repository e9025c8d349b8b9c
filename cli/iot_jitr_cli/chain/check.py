"""All checks of one chain file; no call to AWS."""

from datetime import UTC, datetime

from iot_jitr_cli.chain import certificate_checks as certificate
from iot_jitr_cli.chain import file_checks as file
from iot_jitr_cli.chain.findings import ChainReport, CheckId, Finding, failed, not_checked, passed
from iot_jitr_cli.chain.parsing import Chain, UnreadableChainError, has_key, parse_chain
from iot_jitr_cli.pki.keys import PrivateKey, UnreadableKeyError, load_key

_CHECKS = (
    file.check_readable,
    file.check_ca_included,
    file.check_order,
    file.check_nothing_extra,
    file.check_no_private_key,
    certificate.check_not_a_ca,
    certificate.check_issuer,
    certificate.check_signature,
    certificate.check_key_algorithm,
    certificate.check_signature_algorithm,
    certificate.check_client_use,
    certificate.check_common_name_use,
    certificate.check_ca_may_sign,
    certificate.check_ca_key_algorithm,
    certificate.check_ca_signature_algorithm,
)
_CHECKS_AT_A_TIME = (certificate.check_validity, certificate.check_ca_validity)
_ORDER = {check: position for position, check in enumerate(CheckId)}


def check_chain(data: bytes, key_data: bytes | None = None, now: datetime | None = None) -> ChainReport:
    """Check whether this is the chain file a device must present, and whether the key belongs to it.

    Args:
        data: The chain file's content, PEM or DER.
        key_data: The private key file's content, PEM or DER; without it the key is not looked at.
        now: The time to check validity at; default: the machine's clock.

    Returns:
        A finding for every check, in the order of `CheckId`, or for a file that cannot be read only that.
        Whatever is wrong with the files is a finding, not an error.
    """
    key, key_finding = _load(key_data)
    try:
        chain = parse_chain(data, key)
    except UnreadableChainError as error:
        unreadable = failed(
            CheckId.READABLE, str(error), "give the file that holds the certificates: *.pem, *.der"
        )
        return ChainReport((unreadable, *_key_findings(key_finding, None, key)))
    at = now or datetime.now(UTC)
    findings = [*(check(chain) for check in _CHECKS), *(check(chain, at) for check in _CHECKS_AT_A_TIME)]
    findings += _key_findings(key_finding, chain, key)
    return ChainReport(tuple(sorted(findings, key=lambda finding: _ORDER[finding.id])))


def _load(key_data: bytes | None) -> tuple[PrivateKey | None, Finding | None]:
    if key_data is None:
        return None, None
    try:
        key = load_key(key_data)
    except UnreadableKeyError as error:
        fix = "give the device's private key, unencrypted, PEM or DER"
        return None, failed(CheckId.KEY_READABLE, str(error), fix)
    return key, passed(CheckId.KEY_READABLE, "a private key")


def _key_findings(readable: Finding | None, chain: Chain | None, key: PrivateKey | None) -> list[Finding]:
    if readable is None:
        return []
    if key is None:
        return [readable, not_checked(CheckId.KEY_MATCHES, "the private key cannot be read")]
    if chain is None:
        return [readable, not_checked(CheckId.KEY_MATCHES, "the chain file cannot be read")]
    return [readable, _match(chain, key)]


def _match(chain: Chain, key: PrivateKey) -> Finding:
    if has_key(chain.device, key):
        return passed(CheckId.KEY_MATCHES, "the key is the device certificate's")
    if chain.ca is not None and has_key(chain.ca, key):
        return failed(
            CheckId.KEY_MATCHES,
            "the key is the CA's",
            "give the device's own key; the CA's must never be on a device",
        )
    return failed(
        CheckId.KEY_MATCHES,
        f"the key is not that of '{chain.device.subject}'",
        "give the key that the certificate was made for; if it is lost, issue a new certificate",
    )
