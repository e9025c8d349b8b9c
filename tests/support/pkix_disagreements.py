"""Where the engine and pyhanko-certvalidator disagree on purpose, and why."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from tests.support.pkix_judges import GOOD


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
    """One that is meant: with one of these oddities the engine finds one of these reasons."""

    engine: Engine
    odd: Collection[str]
    found: Collection[str]
    why: str


CERTIFICATES = [
    Disagreement(
        Engine.STRICTER,
        {
            "certificate: padded serial number",
            "certificate: empty serial number",
            "certificate: CA:FALSE in words",
            "certificate: critical FALSE in words",
            "certificate: version 1 in words",
            "certificate: version 4",
            "certificate: unreadable subject",
            "certificate: unreadable names",
            "certificate: unreadable extension",
            "certificate: path length of no CA",
        },
        {"unparsable_certificate"},
        "each field has one encoding in DER, and the engine reads all of them (section 4.1)",
    ),
    Disagreement(
        Engine.STRICTER,
        {
            "certificate: time without seconds",
            "certificate: time with a fraction",
            "certificate: time with an offset",
            "certificate: time of the year 0",
        },
        {"unparsable_certificate"},
        "a time is in UTC, with seconds and without fractions (section 4.1.2.5)",
    ),
    Disagreement(
        Engine.STRICTER,
        {"certificate: version 2 with unique ids"},
        {"unparsable_certificate"},
        "no CA issues version 2 any more, and `cryptography` does not read it (section 4.1.2.1)",
    ),
    Disagreement(
        Engine.STRICTER,
        {"certificate: an extension twice"},
        {"unparsable_certificate"},
        "an extension stands in a certificate once at most (section 4.2)",
    ),
    Disagreement(
        Engine.STRICTER,
        {"certificate: issuer in other letters", "certificate: issuer in other strings"},
        {"issuer_mismatch"},
        "a CA writes its name into a certificate as into its own, byte for byte (section 4.1.2.6)",
    ),
    Disagreement(
        Engine.STRICTER,
        {"certificate: two algorithms"},
        {"unsupported_key"},
        "both fields name the same signature algorithm (section 4.1.1.2)",
    ),
    Disagreement(
        Engine.STRICTER,
        {
            "certificate: key that AWS IoT does not take",
            "certificate: key that is none",
            "certificate: signed by ECDSA with SHA-224",
        },
        {"unsupported_key"},
        "AWS IoT takes RSA from 2048 bits and three curves, with SHA-2 from 256 bits",
    ),
    Disagreement(
        Engine.STRICTER,
        {"certificate: CA:TRUE"},
        {"ca_certificate"},
        "a device's certificate is not a CA's (section 4.2.1.9)",
    ),
    Disagreement(
        Engine.STRICTER,
        {
            "certificate: critical inhibitAnyPolicy",
            "certificate: critical name constraints",
            "certificate: critical policy constraints",
        },
        {"unsupported_key_usage"},
        "these belong into CA certificates, and the engine does not process them (section 4.2)",
    ),
    Disagreement(
        Engine.LAXER,
        {"certificate: any extended key usage", "certificate: key agreement only"},
        {GOOD},
        "anyExtendedKeyUsage restricts nothing, and a TLS client may use keyAgreement (section 4.2.1.12)",
    ),
    Disagreement(
        Engine.LAXER,
        {"certificate: policy constraints"},
        {GOOD},
        "policy constraints are critical, in CA certificates; others are ignored (section 4.2.1.11)",
    ),
]

CRLS = [
    Disagreement(
        Engine.STRICTER,
        {
            "CRL: critical FALSE in words",
            "CRL: empty IDP",
            "CRL: unreadable IDP",
            "CRL: unreadable extension",
            "CRL: negative number",
            "CRL: version 1 in words",
            "CRL: version 3",
            "entry: unreadable entry extension",
            "entry: reason that does not exist",
        },
        {"malformed"},
        "each field has one encoding in DER, and the engine reads all of them, in all entries (section 5.1)",
    ),
    Disagreement(
        Engine.STRICTER,
        {"CRL: time without seconds", "CRL: time of the year 0"},
        {"malformed"},
        "a time is in UTC, with seconds (section 5.1.2.4)",
    ),
    Disagreement(
        Engine.STRICTER,
        {"CRL: two algorithms"},
        {"malformed"},
        "both fields name the same signature algorithm (section 5.1.1.2)",
    ),
    Disagreement(
        Engine.STRICTER,
        {"CRL: an extension twice", "entry: two reasons", "entry: twice"},
        {"malformed"},
        "an extension stands in a CRL, and in an entry, once at most (section 5.2)",
    ),
    Disagreement(
        Engine.STRICTER,
        {"CRL: no number", "CRL: long number", "CRL: version 1", "CRL: version 1 with extensions"},
        {"no_number"},
        "every CRL has a number; without it a rollback could not be noticed (section 5.2.3)",
    ),
    Disagreement(
        Engine.STRICTER,
        {"CRL: issuer in other letters"},
        {"wrong_issuer"},
        "the CRL's issuer is the CA's subject; the engine does not fold letters or blanks (section 5.1.2.3)",
    ),
    Disagreement(
        Engine.STRICTER,
        {
            "CRL: authority key identifier of another key",
            "CRL: authority key identifier of another serial number",
        },
        {"wrong_issuer"},
        "a CRL that names another key is another CA's (section 5.2.1)",
    ),
    Disagreement(
        Engine.STRICTER,
        {"CRL: signed by ECDSA with SHA-1", "CRL: signed by RSA with SHA-1"},
        {"signature_algorithm"},
        "signatures with SHA-1 can be forged; the other judge looks at a certificate's only",
    ),
    Disagreement(
        Engine.STRICTER,
        {"CRL: critical number", "CRL: critical names of the issuer"},
        {"critical_extension"},
        "these are never critical, and the engine processes what may be (sections 5.2.2 and 5.2.3)",
    ),
    Disagreement(
        Engine.STRICTER,
        {"entry: critical entry extension", "entry: unknown critical entry extension", "entry: twice"},
        {"critical_entry_extension"},
        "a critical extension that is not processed makes the CRL unusable, in any entry (section 5.3)",
    ),
    Disagreement(
        Engine.STRICTER,
        {"entry: removeFromCRL", "entry: twice"},
        {"delta"},
        "removeFromCRL stands in delta CRLs only (section 5.3.1)",
    ),
    Disagreement(
        Engine.STRICTER,
        {
            "CRL: indirect",
            "entry: certificate issuer",
            "entry: another certificate issuer",
            "entry: twice",
        },
        {"indirect"},
        "the engine takes the CA's own CRLs; `certificateIssuer` stands in indirect ones (section 5.3.3)",
    ),
    Disagreement(
        Engine.STRICTER,
        {"CRL: nextUpdate is five seconds ago", "CRL: nextUpdate is near"},
        {"expired"},
        "at its nextUpdate, after the five seconds of tolerance, a CRL has ended (section 5.1.2.5)",
    ),
    Disagreement(
        Engine.STRICTER,
        {"CRL: no nextUpdate"},
        {"no_next_update"},
        "every CRL says when the next one comes; without it none would ever be stale (section 5.1.2.5)",
    ),
    Disagreement(
        Engine.STRICTER,
        {"CRL: some reasons only"},
        {"only_some_reasons"},
        "a CRL for some reasons never says that a certificate is good (section 6.3.3 (d))",
    ),
    Disagreement(
        Engine.STRICTER,
        {"certificate: point of some reasons"},
        {"not_covered"},
        "nor does a point of the certificate for some reasons (section 6.3.3 (d))",
    ),
    Disagreement(
        Engine.STRICTER,
        {"CRL: partition of the CA's name"},
        {"not_covered"},
        "a point of the CA's own name counts where the certificate names it (section 6.3.3, end)",
    ),
    Disagreement(
        Engine.LAXER,
        {"CRL: signed by ECDSA with SHA3-256"},
        {"in_force"},
        "SHA-3 is no weaker than SHA-2; the other judge does not know it",
    ),
    Disagreement(
        Engine.LAXER,
        {
            "certificate: authority key identifier of another key",
            "certificate: authority key identifier of another serial number",
        },
        {"in_force"},
        "it helps to find the CA, which is known here, and its key has signed (section 4.2.1.1)",
    ),
    Disagreement(
        Engine.LAXER,
        {
            "certificate: point of a CRL issuer only",
            "certificate: point of another CRL issuer",
            "certificate: point of the CA as CRL issuer",
        },
        {"in_force"},
        "the CA's own CRL counts beside those that the certificate points at (section 6.3.3, end)",
    ),
    Disagreement(
        Engine.LAXER,
        {"certificate: unreadable extension"},
        {"in_force"},
        "the certificate has been refused before its CRLs are asked",
    ),
    Disagreement(
        Engine.LAXER,
        {"entry: reason that does not exist"},
        {"in_force"},
        "beside a usable CRL an unreadable one does no harm; the other judge gives up",
    ),
    Disagreement(
        Engine.DIFFERENT,
        {"entry: of the future"},
        {"in_force"},
        "a listed certificate is revoked, whatever date the entry has (section 6.3.3 (i))",
    ),
    Disagreement(
        Engine.DIFFERENT,
        {"several CRLs"},
        {"in_force"},
        "of several CRLs for the same certificates the highest number counts, not the first (section 5.2.3)",
    ),
    Disagreement(
        Engine.DIFFERENT,
        {"entry: twice"},
        {"in_force"},
        "of two reasons a hold gives way to the other; the other judge takes the first",
    ),
]
