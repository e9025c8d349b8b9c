"""Runs all checks of one chain file, without a call to AWS."""

from datetime import UTC, datetime

from iot_jitr_cli.chain import checks
from iot_jitr_cli.chain.checks import Result, failed, not_checked, passed
from iot_jitr_cli.chain.findings import ChainFinding, ChainReport, CheckId
from iot_jitr_cli.chain.parsing import Chain, UnreadableChainError, parse_chain
from iot_jitr_cli.pki.keys import UnreadableKeyError, load_key


def check_chain(data: bytes, key_data: bytes | None = None, now: datetime | None = None) -> ChainReport:
    """Check whether this is the chain file that a device must present, and whether the key belongs to it.

    Args:
        data: The chain file's content, PEM or DER.
        key_data: The private key file's content, PEM or DER; without it the key is not checked.
        now: The time for the check of the validity; default: the machine's clock.

    Returns:
        A finding for every check, in the order of `CheckId`. For an unreadable file, that one finding only.
        A problem with the files is a finding, not an error.
    """
    key, of_key = None, passed("a private key")
    if key_data is not None:
        try:
            key = load_key(key_data)
        except UnreadableKeyError as error:
            of_key = failed(str(error), "give the device's private key, unencrypted, PEM or DER")
    chain = None
    try:
        chain = parse_chain(data, key)
    except UnreadableChainError as error:
        fix = "give the file that holds the certificates: *.pem, *.der"
        results = {CheckId.READABLE: failed(str(error), fix)}
    else:
        results = _results(chain, now or datetime.now(UTC))
    if key_data is not None:
        results[CheckId.KEY_READABLE] = of_key
        if key is None:
            results[CheckId.KEY_MATCHES] = not_checked("the private key cannot be read")
        elif chain is None:
            results[CheckId.KEY_MATCHES] = not_checked("the chain file cannot be read")
        else:
            results[CheckId.KEY_MATCHES] = checks.key_matches(chain, key)
    return ChainReport(tuple(ChainFinding(check, *result) for check, result in results.items()))


def _results(chain: Chain, now: datetime) -> dict[CheckId, Result]:
    device, ca = chain.device, chain.ca
    no_ca = not_checked("the CA certificate is missing")
    renew_ca = "renew the CA certificate and register the new one"
    return {
        CheckId.READABLE: checks.readable(chain),
        CheckId.CA_INCLUDED: checks.ca_included(chain),
        CheckId.ORDER: checks.order(chain),
        CheckId.NOTHING_EXTRA: checks.nothing_extra(chain, ca) if ca else no_ca,
        CheckId.NO_PRIVATE_KEY: checks.no_private_key(chain),
        CheckId.NOT_A_CA: checks.not_a_ca(device),
        CheckId.ISSUER: checks.issuer(device, ca) if ca else no_ca,
        CheckId.SIGNATURE: checks.signature(device, ca) if ca else no_ca,
        CheckId.VALIDITY: checks.validity(device, now, "issue a new certificate to the device"),
        CheckId.KEY_ALGORITHM: checks.key_algorithm(device),
        CheckId.SIGNATURE_ALGORITHM: checks.signature_algorithm(device),
        CheckId.CLIENT_USE: checks.client_use(device),
        CheckId.COMMON_NAME: checks.common_name(device),
        CheckId.CA_MAY_SIGN: checks.ca_may_sign(ca) if ca else no_ca,
        CheckId.CA_VALIDITY: checks.validity(ca, now, renew_ca) if ca else no_ca,
        CheckId.CA_KEY_ALGORITHM: checks.key_algorithm(ca) if ca else no_ca,
        CheckId.CA_SIGNATURE_ALGORITHM: checks.signature_algorithm(ca) if ca else no_ca,
    }
