"""The device's files: chain, key, validity, clock. Uses the checks of `jitr chain check`."""

from datetime import timedelta

from iot_jitr_cli.chain import ChainStatus, CheckId
from iot_jitr_cli.doctor.case import Case
from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.finding import Finding, check, failed, ok, required
from iot_jitr_cli.doctor.reading import UndeterminedError
from iot_jitr_cli.durations import in_words

_CLOCK_OFF = timedelta(hours=1)
"""A larger deviation of a device's clock is a failure: its TLS library may refuse AWS's certificate."""
_TIME_ZONE = timedelta(days=1)
"""If a certificate becomes valid within this time, most likely the clock of its issuer is ahead."""
_NO_FILE = "no chain file given"


@check(
    "chain.order",
    "chain file: device certificate, then its CA's",
    Cause.CHAIN_WRONG_ORDER,
    Cause.CHAIN_WRONG_CERTIFICATES,
    Cause.CA_CERTIFICATE,
)
def check_order(case: Case) -> Finding:
    """The file contains the device certificate, then its CA's, and nothing else."""
    required(case.subject.chain, _NO_FILE)
    return _first_failure(
        case,
        (CheckId.ORDER, Cause.CHAIN_WRONG_ORDER),
        *([] if _accepts_ca_certificates(case) else [(CheckId.NOT_A_CA, Cause.CA_CERTIFICATE)]),
        (CheckId.NOTHING_EXTRA, Cause.CHAIN_WRONG_CERTIFICATES),
        (CheckId.CA_MAY_SIGN, Cause.CHAIN_WRONG_CERTIFICATES),
    ) or ok(case.report[CheckId.ORDER].found)


@check("chain.ca_included", "chain file: CA certificate", Cause.CHAIN_CA_MISSING)
def check_ca_included(case: Case) -> Finding:
    """The CA certificate is in the file, or the device sends SNI."""
    required(case.subject.chain, _NO_FILE)
    found = case.report[CheckId.CA_INCLUDED]
    if found.status is ChainStatus.PASSED:
        return ok(found.found)
    if case.subject.sends_sni:
        return ok(f"{found.found}, which is enough, as the device sends SNI")
    if case.subject.sends_sni is False:
        return failed(Cause.CHAIN_CA_MISSING, found.found, found.fix)
    evidence = f"{found.found}; it would be enough if the device sent SNI (--sni)"
    return failed(Cause.CHAIN_CA_MISSING, evidence, found.fix, predicted=True)


@check("ca.signed", "CA: signed the device certificate", Cause.NOT_SIGNED_BY_CA)
def check_signed_by_ca(case: Case) -> Finding:
    """The device certificate is signed by the CA in the file and by the registered CA."""
    broken = _first_failure(
        case,
        (CheckId.ISSUER, Cause.NOT_SIGNED_BY_CA),
        (CheckId.SIGNATURE, Cause.NOT_SIGNED_BY_CA),
    )
    if broken:
        return broken
    namesake = case.ca_with_same_name
    if case.ca is None and namesake is not None:
        return failed(
            Cause.NOT_SIGNED_BY_CA,
            f"the registered CA '{namesake.certificate.subject}' ({namesake.ca_id}) has the issuer's name, "
            "but another key",
            "issue the certificate with the registered CA's key, or register the CA that did issue it",
        )
    signature = case.report[CheckId.SIGNATURE]
    if signature.status is ChainStatus.NOT_CHECKED and case.ca is None:
        raise UndeterminedError(signature.found)
    return ok("verifies with the CA's key")


@check("certificate.key", "private key", Cause.KEY_MISMATCH)
def check_key(case: Case) -> Finding:
    """The private key is the device certificate's."""
    required(case.subject.key_file, "no private key given (--key)")
    return _first_failure(
        case, (CheckId.KEY_READABLE, Cause.KEY_MISMATCH), (CheckId.KEY_MATCHES, Cause.KEY_MISMATCH)
    ) or ok(case.report[CheckId.KEY_MATCHES].found)


@check(
    "certificate.algorithms",
    "key, signature and key usage",
    Cause.UNSUPPORTED_KEY,
    Cause.UNSUPPORTED_SIGNATURE,
    Cause.UNSUPPORTED_KEY_USAGE,
)
def check_algorithms(case: Case) -> Finding:
    """AWS IoT supports the keys and the signature algorithms, and the key usage allows a TLS client."""
    return _first_failure(
        case,
        (CheckId.KEY_ALGORITHM, Cause.UNSUPPORTED_KEY),
        (CheckId.CA_KEY_ALGORITHM, Cause.UNSUPPORTED_KEY),
        (CheckId.SIGNATURE_ALGORITHM, Cause.UNSUPPORTED_SIGNATURE),
        (CheckId.CA_SIGNATURE_ALGORITHM, Cause.UNSUPPORTED_SIGNATURE),
        (CheckId.CLIENT_USE, Cause.UNSUPPORTED_KEY_USAGE),
    ) or ok(f"{case.report[CheckId.KEY_ALGORITHM].found}, {case.report[CheckId.SIGNATURE_ALGORITHM].found}")


@check(
    "certificate.validity", "validity", Cause.EXPIRED, Cause.NOT_YET_VALID, Cause.CLOCK_SKEW, Cause.CA_EXPIRED
)
def check_validity(case: Case) -> Finding:
    """The device certificate and its CA's are within their validity, by AWS's clock."""
    report, certificate = case.report, case.certificate
    device, ca = report[CheckId.VALIDITY], report[CheckId.CA_VALIDITY]
    if device.status is ChainStatus.FAILED and certificate is not None:
        if case.time > certificate.not_after:
            return failed(Cause.EXPIRED, device.found, device.fix)
        ahead = certificate.not_before - case.time
        if ahead <= _TIME_ZONE:
            return failed(
                Cause.CLOCK_SKEW,
                f"{device.found}, {in_words(ahead)} from now: the issuing machine's clock is ahead",
                "wait until then; set that machine's clock (and time zone), or back-date certificates",
            )
        return failed(Cause.NOT_YET_VALID, device.found, device.fix)
    if ca.status is ChainStatus.FAILED:
        return failed(Cause.CA_EXPIRED, f"the CA certificate: {ca.found}", ca.fix)
    return ok(device.found)


@check("device.clock", "the device's clock", Cause.CLOCK_SKEW)
def check_clock(case: Case) -> Finding:
    """The device's clock is right, if the caller gave its time."""
    clock = required(case.subject.clock, "the device's clock is not known (--device-time)")
    off = abs(clock - case.time)
    if off > _CLOCK_OFF:
        return failed(
            Cause.CLOCK_SKEW,
            f"the device's clock is {in_words(off)} off: it shows {clock:%Y-%m-%d %H:%MZ}, it is "
            f"{case.time:%Y-%m-%d %H:%MZ}",
            "set it (NTP) before TLS: with a wrong clock the device refuses AWS's certificate",
        )
    return ok(f"{in_words(off)} off")


def _accepts_ca_certificates(case: Case) -> bool:
    """Whether the deployment accepts a CA certificate as this device's certificate; False if unknown."""
    try:
        activator, ca = case.pipeline.activator, case.ca
    except UndeterminedError:
        return False
    return activator is not None and ca is not None and ca.ca_id in activator.ca_devices


def _first_failure(case: Case, *causes: tuple[CheckId, Cause]) -> Finding | None:
    for check_id, cause in causes:
        finding = case.report[check_id]
        if finding.status is ChainStatus.FAILED:
            return failed(cause, finding.found, finding.fix)
    return None
