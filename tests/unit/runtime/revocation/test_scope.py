"""Does a CRL cover this certificate? Distribution points of both sides are compared."""

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.extensions import Extension, crl_distribution_points
from iot_jitr_runtime.certificates import MalformedCertificateError
from iot_jitr_runtime.revocation.scope import Scope, points_of
from tests.support.crls import BROKEN_POINTS, idp
from tests.support.device_certificates import device_certificate

CA = DevelopmentCa.create()
ISSUER = CA.certificate.x509.subject
ONE, TWO = "http://crl.example/1.crl", "http://crl.example/2.crl"
OTHER_ISSUER = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Another CA")]))
RELATIVE = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "CRL 7")])
ABSOLUTE = x509.DirectoryName(x509.Name([*ISSUER.rdns, RELATIVE]))


def certificate(*points: x509.DistributionPoint) -> x509.Certificate:
    extensions = (Extension(x509.CRLDistributionPoints(points)),) if points else ()
    return CA.issue(DeviceSpec("device", extensions=extensions)).certificate.x509


def at(*urls: str) -> x509.Certificate:
    return CA.issue(DeviceSpec("device", extensions=(crl_distribution_points(*urls),))).certificate.x509


def point(
    name: x509.GeneralName | None = None,
    relative: x509.RelativeDistinguishedName | None = None,
    reasons: frozenset[x509.ReasonFlags] | None = None,
    crl_issuer: list[x509.GeneralName] | None = None,
) -> x509.DistributionPoint:
    return x509.DistributionPoint([name] if name else None, relative, reasons, crl_issuer)


def partition(*urls: str) -> Scope:
    return Scope(frozenset(urls))


SOME = frozenset({x509.ReasonFlags.key_compromise})
OWN_ISSUER = x509.DirectoryName(ISSUER)
HERE = x509.UniformResourceIdentifier(ONE)
ALL, USERS = Scope(), Scope(only_user_certificates=True)


@pytest.mark.parametrize(
    ("scope", "of", "covered"),
    [
        pytest.param(ALL, certificate(), True, id="no partition, no point"),
        pytest.param(ALL, at(ONE), True, id="no partition"),
        pytest.param(partition(ONE), at(ONE), True, id="its partition"),
        pytest.param(partition(ONE), at(TWO, ONE), True, id="its partition among others"),
        pytest.param(partition(TWO, ONE), at(ONE), True, id="its partition under another name"),
        pytest.param(partition(ONE), at(TWO), False, id="another partition"),
        pytest.param(partition(ONE), certificate(), False, id="a partition, no point"),
        *[
            pytest.param(partition(ONE), at(almost), False, id=f"almost its partition: {almost}")
            for almost in (ONE + "/", ONE.upper(), "HTTP" + ONE[4:], ONE + "?x")
        ],
        pytest.param(partition(ONE), certificate(point(HERE, reasons=SOME)), False, id="some reasons"),
        pytest.param(
            partition(ONE),
            certificate(point(HERE, crl_issuer=[OTHER_ISSUER])),
            False,
            id="another issuer",
        ),
        pytest.param(
            partition(ONE), certificate(point(HERE, crl_issuer=[OWN_ISSUER])), True, id="the CA as CRL issuer"
        ),
        pytest.param(USERS, certificate(), True, id="users only"),
        pytest.param(USERS, CA.certificate.x509, False, id="users only, a CA"),
        pytest.param(USERS, device_certificate("device").x509, True, id="users only, no basic constraints"),
    ],
)
def test_a_crl_covers_the_certificates_that_name_one_of_its_points(
    scope: Scope, of: x509.Certificate, *, covered: bool
) -> None:
    assert scope.covers(of) is covered


def test_all_usable_points_of_a_certificate_are_read() -> None:
    several = certificate(
        point(x509.UniformResourceIdentifier("http://crl.example/some.crl"), reasons=SOME),
        point(x509.UniformResourceIdentifier("http://crl.example/foreign.crl"), crl_issuer=[OTHER_ISSUER]),
        point(crl_issuer=[OWN_ISSUER]),
        point(HERE),
        point(x509.UniformResourceIdentifier(TWO)),
    )

    assert points_of(several) == {ONE, TWO}


def test_relative_names_are_completed_with_the_issuer_on_both_sides() -> None:
    extension = x509.IssuingDistributionPoint(None, RELATIVE, False, False, None, False, False)  # noqa: FBT003

    scope = Scope.of(extension, ISSUER)

    assert scope.covers(certificate(point(relative=RELATIVE)))
    assert scope.covers(certificate(point(ABSOLUTE)))
    assert not scope.covers(certificate(point(x509.DirectoryName(ISSUER))))


def test_names_of_different_kinds_never_match() -> None:
    scope = partition(f"directoryName:{ABSOLUTE.value.rfc4514_string()}")
    imitation = certificate(point(x509.DNSName(f"directoryName:{ABSOLUTE.value.rfc4514_string()}")))

    assert not scope.covers(imitation)
    assert points_of(imitation) == {f"DNSName:directoryName:{ABSOLUTE.value.rfc4514_string()}"}
    assert scope.covers(certificate(point(ABSOLUTE)))


BROKEN = {
    "distribution points": BROKEN_POINTS,
    "policies": Extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.32"), b"\x04\x00")),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("scope", [partition(ONE), Scope(only_user_certificates=True)])
def test_unreadable_extensions_are_an_error(scope: Scope, broken: Extension) -> None:
    unreadable = CA.issue(DeviceSpec("device", extensions=(broken,))).certificate.x509

    with pytest.raises(MalformedCertificateError, match="error parsing"):
        scope.covers(unreadable)


def test_the_scope_is_read_from_the_extension() -> None:
    extension, _ = idp(ONE, TWO, only_contains_user_certs=True)
    assert isinstance(extension, x509.IssuingDistributionPoint)

    assert Scope.of(extension, ISSUER) == Scope(frozenset({ONE, TWO}), only_user_certificates=True)


def test_the_scope_is_written_as_text() -> None:
    assert str(partition(TWO, ONE)) == f"{ONE}, {TWO}"
    assert str(Scope()) == "all certificates of the CA"


scopes = st.builds(Scope, st.frozensets(st.text(max_size=10), max_size=3), st.booleans())


@given(scopes, scopes)
def test_keys_are_equal_exactly_for_equal_scopes(one: Scope, other: Scope) -> None:
    assert (one.key == other.key) is (one == other)
    assert Scope.from_key(one.key) == one


@pytest.mark.parametrize("kind", [x509.CRLDistributionPoints.oid, x509.BasicConstraints.oid])
def test_a_repeated_extension_is_an_error(kind: x509.ObjectIdentifier) -> None:
    twice = tuple(
        Extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(f"2.5.29.{last}"), b"\x04\x00"))
        for last in (100, 101)
    )
    der = CA.issue(DeviceSpec("device", extensions=twice)).certificate.der
    arc = int(kind.dotted_string.rpartition(".")[2])
    doubled = der.replace(b"\x55\x1d\x64", bytes([0x55, 0x1D, arc])).replace(
        b"\x55\x1d\x65", bytes([0x55, 0x1D, arc])
    )

    with pytest.raises(MalformedCertificateError, match="Duplicate"):
        Scope(frozenset({ONE}), only_user_certificates=True).covers(x509.load_der_x509_certificate(doubled))
    with pytest.raises(MalformedCertificateError, match="Duplicate"):
        partition(ONE).covers(x509.load_der_x509_certificate(doubled))
