"""Where the engine and pyhanko-certvalidator disagree on purpose, and why."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from tests.support.pkix_validators import GOOD


class Engine(StrEnum):
    """How the engine differs from the other implementation."""

    STRICTER = "stricter"
    """It refuses the certificate, or does not use the CRL, and the other one does not."""
    LAXER = "laxer"
    """The other way round."""
    DIFFERENT = "different"
    """Both use a CRL, and read it differently."""


@dataclass(frozen=True)
class Disagreement:
    """One that is meant: where one of these oddities is in a case, the engine finds `found`."""

    engine: Engine
    found: str
    why: str
    odd: Collection[str]


def _disagreement(engine: Engine, found: str, why: str, **odd: str) -> Disagreement:
    """Return one; `odd` has the names of oddities by the kind with which their names in a case begin."""
    kinds = {"certificate": "certificate: ", "crl": "CRL: ", "entry": "entry: ", "case": ""}
    names = {f"{kinds[kind]}{name}" for kind, each in odd.items() for name in each.split(", ")}
    return Disagreement(engine, found, why, names)


stricter, laxer, different = (partial(_disagreement, engine) for engine in Engine)

CERTIFICATES = [
    stricter(
        "unparsable_certificate",
        "each field has one encoding in DER, and the engine reads all of them (section 4.1)",
        certificate=(
            "padded serial number, empty serial number, CA:FALSE in words, critical FALSE in words, "
            "version 1 in words, version 4, unreadable subject, unreadable names, "
            "unreadable extension, path length of no CA"
        ),
    ),
    stricter(
        "unparsable_certificate",
        "a time is in UTC, with seconds and without fractions (section 4.1.2.5)",
        certificate="time without seconds, time with a fraction, time with an offset, time of the year 0",
    ),
    stricter(
        "unparsable_certificate",
        "no CA issues version 2 any more, and `cryptography` does not read it (section 4.1.2.1)",
        certificate="version 2 with unique ids",
    ),
    stricter(
        "unparsable_certificate",
        "an extension occurs in a certificate once at most (section 4.2)",
        certificate="an extension twice",
    ),
    stricter(
        "issuer_mismatch",
        "a CA writes its name into a certificate as into its own, byte for byte (section 4.1.2.6)",
        certificate="issuer in other letters, issuer in other strings",
    ),
    stricter(
        "unsupported_key",
        "both fields name the same signature algorithm (section 4.1.1.2)",
        certificate="two algorithms",
    ),
    stricter(
        "unsupported_key",
        "AWS IoT takes RSA from 2048 bits and three curves, with SHA-2 from 256 bits",
        certificate="key that AWS IoT does not take, key that is none, signed by ECDSA with SHA-224",
    ),
    stricter(
        "ca_certificate",
        "a device's certificate is not a CA's (section 4.2.1.9)",
        certificate="CA:TRUE",
    ),
    stricter(
        "unsupported_key_usage",
        "these belong into CA certificates, and the engine does not process them (section 4.2)",
        certificate="critical inhibitAnyPolicy, critical name constraints, critical policy constraints",
    ),
    laxer(
        GOOD,
        "anyExtendedKeyUsage restricts nothing, and a TLS client may use keyAgreement (section 4.2.1.12)",
        certificate="any extended key usage, key agreement only",
    ),
    laxer(
        GOOD,
        "policy constraints are critical, in CA certificates; others are ignored (section 4.2.1.11)",
        certificate="policy constraints",
    ),
]

CRLS = [
    stricter(
        "malformed",
        "each field has one encoding in DER, and the engine reads all of them, in all entries (section 5.1)",
        crl=(
            "critical FALSE in words, empty IDP, unreadable IDP, unreadable extension, "
            "negative number, version 1 in words, version 3"
        ),
        entry="unreadable entry extension, reason that does not exist",
    ),
    stricter(
        "malformed",
        "a time is in UTC, with seconds (section 5.1.2.4)",
        crl="time without seconds, time of the year 0",
    ),
    stricter(
        "malformed",
        "both fields name the same signature algorithm (section 5.1.1.2)",
        crl="two algorithms",
    ),
    stricter(
        "malformed",
        "an extension occurs in a CRL, and in an entry, once at most (section 5.2)",
        crl="an extension twice",
        entry="two reasons, twice",
    ),
    stricter(
        "no_number",
        "every CRL has a number; without it a rollback could not be noticed (section 5.2.3)",
        crl="no number, long number, version 1, version 1 with extensions",
    ),
    stricter(
        "wrong_issuer",
        "the CRL's issuer is the CA's subject; the engine does not fold letters or blanks (section 5.1.2.3)",
        crl="issuer in other letters",
    ),
    stricter(
        "wrong_issuer",
        "a CRL that names another key is another CA's (section 5.2.1)",
        crl="authority key identifier of another key, authority key identifier of another serial number",
    ),
    stricter(
        "signature_algorithm",
        "signatures with SHA-1 can be forged; the other implementation looks at a certificate's only",
        crl="signed by ECDSA with SHA-1, signed by RSA with SHA-1",
    ),
    stricter(
        "critical_extension",
        "these are never critical, and the engine processes what may be (sections 5.2.2 and 5.2.3)",
        crl="critical number, critical names of the issuer",
    ),
    stricter(
        "critical_entry_extension",
        "a critical extension that is not processed makes the CRL unusable, in any entry (section 5.3)",
        entry="twice, critical entry extension, unknown critical entry extension",
    ),
    stricter(
        "delta",
        "removeFromCRL occurs in delta CRLs only (section 5.3.1)",
        entry="twice, removeFromCRL",
    ),
    stricter(
        "indirect",
        "the engine takes the CA's own CRLs; `certificateIssuer` occurs in indirect ones (section 5.3.3)",
        entry="twice, certificate issuer, another certificate issuer",
        crl="indirect",
    ),
    stricter(
        "expired",
        "at its nextUpdate, after the five seconds of tolerance, a CRL has ended (section 5.1.2.5)",
        crl="nextUpdate is five seconds ago, nextUpdate is near",
    ),
    stricter(
        "no_next_update",
        "every CRL has the time of the next one; without it none would ever be stale (section 5.1.2.5)",
        crl="no nextUpdate",
    ),
    stricter(
        "only_some_reasons",
        "a CRL for some reasons never shows that a certificate is good (section 6.3.3 (d))",
        crl="some reasons only",
    ),
    stricter(
        "not_covered",
        "nor does a point of the certificate for some reasons (section 6.3.3 (d))",
        certificate="point of some reasons",
    ),
    stricter(
        "not_covered",
        "a point of the CA's own name counts where the certificate names it (section 6.3.3, end)",
        crl="partition of the CA's name",
    ),
    laxer(
        "in_force",
        "SHA-3 is no weaker than SHA-2; the other implementation does not support it",
        crl="signed by ECDSA with SHA3-256",
    ),
    laxer(
        "in_force",
        "it helps to find the CA, which is known here, and its key has signed (section 4.2.1.1)",
        certificate=(
            "authority key identifier of another key, authority key identifier of another serial number"
        ),
    ),
    laxer(
        "in_force",
        "the CA's own CRL counts beside those that the certificate points at (section 6.3.3, end)",
        certificate="point of a CRL issuer only, point of another CRL issuer, point of the CA as CRL issuer",
    ),
    laxer(
        "in_force",
        "the certificate has been refused before its CRLs are checked",
        certificate="unreadable extension",
    ),
    laxer(
        "in_force",
        "beside a usable CRL an unreadable one does no harm; the other implementation gives up",
        entry="reason that does not exist",
    ),
    different(
        "in_force",
        "a listed certificate is revoked, whatever date the entry has (section 6.3.3 (i))",
        entry="of the future",
    ),
    different(
        "in_force",
        "of several CRLs for the same certificates the highest number counts, not the first (section 5.2.3)",
        case="several CRLs",
    ),
    different(
        "in_force",
        "of two reasons a hold gives way to the other; the other implementation takes the first",
        entry="twice",
    ),
]
