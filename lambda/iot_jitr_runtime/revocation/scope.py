"""Which certificates a CRL covers: distribution points on both sides (RFC 5280 sections 4.2.1.13, 5.2.5).

A CRL without a distribution point covers every certificate of its issuer. One with distribution points,
as AWS Private CA's partitions have, covers only certificates that name one of them.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509

from iot_jitr_runtime.certificates import read_extension


@dataclass(frozen=True, slots=True)
class Scope:
    """The certificates that a CRL of their issuer covers."""

    points: frozenset[str] = frozenset()
    """Names of its distribution points; none means all certificates of the issuer."""
    only_user_certificates: bool = False
    """CA certificates are left out (`onlyContainsUserCerts`)."""

    @classmethod
    def of(cls, idp: x509.IssuingDistributionPoint, issuer: x509.Name) -> "Scope":
        """The scope of an IssuingDistributionPoint extension."""
        return cls(_names(idp.full_name, idp.relative_name, issuer), idp.only_contains_user_certs)

    @property
    def key(self) -> str:
        """Identifies the scope: a CRL replaces the CRL with the same key."""
        return json.dumps([sorted(self.points), self.only_user_certificates])

    @classmethod
    def from_key(cls, key: str) -> "Scope":
        """The scope that has this key."""
        points, only_user_certificates = json.loads(key)
        return cls(frozenset(points), only_user_certificates)

    def covers(self, certificate: x509.Certificate) -> bool:
        """Whether the CRL covers a certificate of its issuer (RFC 5280 section 6.3.3 (b) (2)).

        Raises:
            MalformedCertificateError: The certificate's extensions cannot be read.
        """
        if self.only_user_certificates and _is_ca(certificate):
            return False
        return not self.points or not self.points.isdisjoint(points_of(certificate))

    def __str__(self) -> str:
        return ", ".join(sorted(self.points)) or "all certificates of the CA"


def points_of(certificate: x509.Certificate) -> frozenset[str]:
    """Names of a certificate's distribution points with CRLs of its own issuer.

    Not included: points for some reasons only, because such a CRL alone does not show that a certificate is
    not revoked, and points of another CRL issuer.

    Raises:
        MalformedCertificateError: The certificate's extensions cannot be read.
    """
    names: frozenset[str] = frozenset()
    for point in read_extension(certificate, x509.CRLDistributionPoints) or ():
        if point.reasons is not None:
            continue
        if point.crl_issuer and x509.DirectoryName(certificate.issuer) not in point.crl_issuer:
            continue
        names |= _names(point.full_name, point.relative_name, certificate.issuer)
    return names


def _names(
    full: Iterable[x509.GeneralName] | None,
    relative: x509.RelativeDistinguishedName | None,
    issuer: x509.Name,
) -> frozenset[str]:
    if relative is not None:
        full = [x509.DirectoryName(x509.Name([*issuer.rdns, relative]))]
    return frozenset(_text(name) for name in full or ())


def _text(name: x509.GeneralName) -> str:
    match name:
        case x509.UniformResourceIdentifier():
            return name.value
        case x509.DirectoryName():
            return f"directoryName:{name.value.rfc4514_string()}"
        case _:
            return f"{type(name).__name__}:{name.value}"


def _is_ca(certificate: x509.Certificate) -> bool:
    constraints = read_extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca
