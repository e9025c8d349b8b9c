"""Why a CRL must not be used: one rule each, with the paragraph it comes from."""

from enum import StrEnum

from iot_jitr_runtime.errors import JitrError


class Rule(StrEnum):
    """A rule that a CRL must obey to be used for device certificates. The values are a stable interface."""

    MALFORMED = "malformed"
    """It is one well-formed X.509 CRL, DER or PEM."""
    WRONG_ISSUER = "wrong_issuer"
    """Its issuer is the subject of the CA, and its authority key identifier, if any, names the CA's key."""
    SIGNATURE_ALGORITHM = "signature_algorithm"
    """Its signature algorithm fits the CA's key, is known here, and no weaker than SHA-2."""
    BAD_SIGNATURE = "bad_signature"
    """The CA's key signed it."""
    NO_CRL_SIGN = "no_crl_sign"
    """The CA's key usage, where it has one, includes cRLSign."""
    NO_NEXT_UPDATE = "no_next_update"
    """It says when the next one is issued, at the latest."""
    NOT_YET_VALID = "not_yet_valid"
    """Its thisUpdate is not in the future."""
    EXPIRED = "expired"
    """Its nextUpdate is in the future."""
    NO_NUMBER = "no_number"
    """It has a CRL number of at most 20 octets."""
    ROLLED_BACK = "rolled_back"
    """Its number (and at the same number its thisUpdate) is not lower than that of the one in force."""
    CRITICAL_EXTENSION = "critical_extension"
    """It has no critical extension that is not processed here."""
    CRITICAL_ENTRY_EXTENSION = "critical_entry_extension"
    """None of its entries has a critical extension."""
    DELTA = "delta"
    """It is complete: neither a delta CRL nor has it an entry that only a delta CRL may have."""
    INDIRECT = "indirect"
    """It lists certificates of its own issuer only."""
    ONLY_CA_CERTIFICATES = "only_ca_certificates"
    """It is not limited to CA certificates."""
    ONLY_ATTRIBUTE_CERTIFICATES = "only_attribute_certificates"
    """It is not limited to attribute certificates."""
    ONLY_SOME_REASONS = "only_some_reasons"
    """It is not limited to some revocation reasons."""

    @property
    def source(self) -> str:
        """Where the rule is written."""
        return f"RFC 5280 section {_SECTIONS[self]}"


_SECTIONS = {
    Rule.MALFORMED: "5.1",
    Rule.WRONG_ISSUER: "6.3.3 (b) (1)",
    Rule.SIGNATURE_ALGORITHM: "5.1.1.2",
    Rule.BAD_SIGNATURE: "6.3.3 (g)",
    Rule.NO_CRL_SIGN: "6.3.3 (f)",
    Rule.NO_NEXT_UPDATE: "5.1.2.5",
    Rule.NOT_YET_VALID: "5.1.2.4",
    Rule.EXPIRED: "5.1.2.5",
    Rule.NO_NUMBER: "5.2.3",
    Rule.ROLLED_BACK: "5.2.3",
    Rule.CRITICAL_EXTENSION: "5.2",
    Rule.CRITICAL_ENTRY_EXTENSION: "5.3",
    Rule.DELTA: "5.2.4",
    Rule.INDIRECT: "5.2.5",
    Rule.ONLY_CA_CERTIFICATES: "6.3.3 (b) (2) (iii)",
    Rule.ONLY_ATTRIBUTE_CERTIFICATES: "6.3.3 (b) (2) (iv)",
    Rule.ONLY_SOME_REASONS: "6.3.3 (d)",
}


class UnusableCrlError(JitrError):
    """The CRL breaks `rule` and decides nothing."""

    def __init__(self, rule: Rule, detail: str) -> None:
        super().__init__(f"unusable CRL: {detail} ({rule.source})")
        self.rule = rule
        self.detail = detail
