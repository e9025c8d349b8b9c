"""One CA certificate of the configuration: which it is, who signs for it, what becomes of it."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aws_cdk as cdk

from iot_jitr.configuration.revocation import KEY_ARN, KEY_ARN_ALLOWED, Revocation, read_revocation
from iot_jitr.signers import CaSigner, aliased
from iot_jitr.validation import ConfigurationError, check_text, shown
from iot_jitr_runtime import environment
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaStatus, Mode, OnDelete, OnExisting
from iot_jitr_runtime.ca_registration.signers import (
    KINDS,
    KmsSigner,
    NoSigner,
    PresignedSigner,
    PrivateCaSigner,
    SecretSigner,
    Signer,
)
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from iot_jitr.configuration.reader import Section

RESERVED_NAMES = ("Registration", "Role")
"""Constructs beside those of the CAs have these names."""
NAME_PATTERN = rf"(?!({'|'.join(RESERVED_NAMES)})$)[A-Za-z][A-Za-z0-9]{{0,31}}"
_NAME_ALLOWED = f"a letter, then up to 31 letters and digits; not one of {', '.join(RESERVED_NAMES)}"
_TAG_KEY = r"(?!(?i:aws|jitr):)[\w .:/=+@-]{1,128}"
_TAG_VALUE = r"[\w .:/=+@-]{0,256}"
_MOST_TAGS = 45
_ARN = r"arn:[a-z-]+:{}:[a-z0-9-]+:[0-9]{{12}}:.+"
_SECRET_ALLOWED = "the ARN or the name of the secret that holds the CA's key"  # noqa: S105 - it says where
_SIGNING_KEY_ALLOWED = "the ARN of the KMS key that is the CA's key, arn:…:key/…; IAM matches no alias"
_PRIVATE_CA = _ARN.format("acm-pca")
_PRIVATE_CA_ALLOWED = "the ARN of the AWS Private CA"
_TAGS_ALLOWED = (
    f"an object of at most {_MOST_TAGS} texts, of letters, digits and . : / = + - @ _; no key may begin with "
    "aws: or jitr:"
)


@dataclass(frozen=True)
class CaConfiguration:
    """A CA whose devices are registered just in time.

    Raises:
        ConfigurationError: A value is out of its range, or two of them contradict one another.
    """

    name: str
    """Names the CA in the stack; to rename it is to register it anew. A letter, then up to 31 letters and
    digits, not `Registration` or `Role`."""
    revocation: Revocation
    """Where its CRLs come from, or that it has none, said in words: `NoRevocation()`."""
    certificate_pem: str | None = None
    """The CA certificate, PEM, without its key, known at synthesis. None: read from the AWS Private CA that
    signs.
    https://docs.aws.amazon.com/iot/latest/apireference/API_RegisterCACertificate.html"""
    signer: CaSigner = field(default_factory=NoSigner)
    """What signs the verification certificate that mode DEFAULT needs. Also the secret or the KMS key itself
    that holds the CA's key, which must be given so where its ARN is known at deployment only.
    https://docs.aws.amazon.com/iot/latest/developerguide/manage-your-CA-certs.html"""
    mode: Mode = Mode.DEFAULT
    """Whether possession of the CA's key is proved to AWS."""
    status: CaStatus = CaStatus.ACTIVE
    """INACTIVE: no new registrations; devices that are in stay connected."""
    auto_registration: AutoRegistration = AutoRegistration.ENABLE
    """DISABLE: for a CA on its way out; devices that are in stay connected."""
    on_existing: OnExisting = OnExisting.ADOPT
    """What to do when somebody else has registered this CA."""
    on_delete: OnDelete = OnDelete.DISABLE
    """What becomes of the CA when the stack goes."""
    accept_ca_certificates_as_devices: bool = False
    """True: a device may present a certificate with basicConstraints CA:TRUE, for a fleet whose factory set
    it by mistake. The synthesis warns of it.
    https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.9"""
    tags: "Mapping[str, str]" = field(default_factory=dict, hash=False)
    """Tags of the CA besides those that say whose it is, which begin with `jitr:`; 45 at most. Those of
    `Tags.of(pipeline)` are added.
    https://docs.aws.amazon.com/iot/latest/apireference/API_TagResource.html"""

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME_PATTERN, self.name):
            raise ConfigurationError("CA: name", f"'{self.name}'", _NAME_ALLOWED)
        where = f"CA '{self.name}'"
        if not _are_tags(self.tags):
            raise ConfigurationError(f"{where}: tags", shown(dict(self.tags)), _TAGS_ALLOWED)
        if cdk.Token.is_unresolved(self.certificate_pem):
            raise ConfigurationError(
                f"{where}: certificate",
                "a text that is known at deployment only",
                "the certificate itself, which is checked at synthesis: Path('ca.pem').read_text()",
            )
        _check_signer(f"{where}: signer", self.signer)
        unsigned = isinstance(self.signer, NoSigner)
        if self.mode is Mode.DEFAULT and unsigned:
            raise ConfigurationError(
                f"{where}: signer",
                "none with mode DEFAULT",
                "secret, kms, acm-pca, presigned, or mode SNI_ONLY",
            )
        if self.mode is Mode.SNI_ONLY and not unsigned:
            raise ConfigurationError(
                f"{where}: signer",
                "a signer with mode SNI_ONLY",
                "none, or mode DEFAULT: SNI_ONLY proves nothing",
            )
        if self.certificate_pem is None and not isinstance(self.signer, PrivateCaSigner):
            raise ConfigurationError(
                f"{where}: certificate",
                "nothing",
                "a CA certificate; only an AWS Private CA can be asked for its own",
            )

    @property
    def told(self) -> dict[str, object]:
        """What the functions are told about it (`JITR_CAS`)."""
        accepts = {environment.ACCEPT_CA_CERTIFICATES: True} if self.accept_ca_certificates_as_devices else {}
        return {"revocation": self.revocation.setting, **accepts}


def _check_signer(where: str, signer: CaSigner) -> None:
    match signer:
        case SecretSigner():
            check_text(f"{where}: secret", signer.secret_id, r".+", _SECRET_ALLOWED)
            check_text(f"{where}: encryption_key", signer.encryption_key_arn, KEY_ARN, KEY_ARN_ALLOWED)
            # Such an ARN may or may not end in the six characters that a permission must name.
            _refuse_token(f"{where}: secret", signer.secret_id, "the secret itself (ISecret)")
        case KmsSigner():
            check_text(f"{where}: key", signer.key_arn, KEY_ARN, _SIGNING_KEY_ALLOWED)
            _refuse_token(f"{where}: key", signer.key_arn, "the key itself (IKey)")
        case PrivateCaSigner():
            arn = signer.certificate_authority_arn
            check_text(f"{where}: arn", arn, _PRIVATE_CA, _PRIVATE_CA_ALLOWED)
        case _ if (which := aliased(signer)) is not None:
            raise ConfigurationError(
                f"{where}: {which}", "an alias", "the key that the alias is of: IAM matches no alias"
            )


def _refuse_token(key: str, value: str, allowed: str) -> None:
    if cdk.Token.is_unresolved(value):
        raise ConfigurationError(key, "a text that is known at deployment only", allowed)


def read_ca(ca: "Section") -> CaConfiguration:
    """Read one entry of `cas`.

    Raises:
        ConfigurationError: A value is wrong or missing.
    """
    name = ca.text("name", pattern=NAME_PATTERN, allowed=_NAME_ALLOWED)
    mode = ca.choice("mode", Mode.DEFAULT)
    signer = _read_signer(ca, mode)
    configuration = CaConfiguration(
        name=name,
        revocation=read_revocation(ca),
        certificate_pem=_read_certificate(ca, signer),
        signer=signer,
        mode=mode,
        status=ca.choice("status", CaStatus.ACTIVE),
        auto_registration=(
            AutoRegistration.ENABLE
            if ca.flag("auto_registration", default=True)
            else AutoRegistration.DISABLE
        ),
        on_existing=ca.choice("on_existing", OnExisting.ADOPT),
        on_delete=ca.choice("on_delete", OnDelete.DISABLE),
        accept_ca_certificates_as_devices=ca.flag("accept_ca_certificates_as_devices", default=False),
        tags=_read_tags(ca),
    )
    ca.finish()
    return configuration


def _read_tags(ca: "Section") -> dict[str, str]:
    tags = ca.get("tags")
    if tags is None:
        return {}
    if not isinstance(tags, dict) or not _are_tags(tags):
        raise ca.wrong("tags", _TAGS_ALLOWED)
    return dict(tags)


def _are_tags(tags: "Mapping[str, object]") -> bool:
    return len(tags) <= _MOST_TAGS and all(
        re.fullmatch(_TAG_KEY, key) and isinstance(value, str) and re.fullmatch(_TAG_VALUE, value)
        for key, value in tags.items()
    )


def _read_certificate(ca: "Section", signer: Signer) -> str | None:
    allowed = "the path of the CA certificate, PEM or DER; make a development CA with: jitr pki ca ca"
    path = ca.file("certificate", allowed=allowed)
    if path is None:
        if isinstance(signer, PrivateCaSigner):
            return None
        raise ca.wrong("certificate", allowed)
    return _pem(ca, "certificate", path, f"make a development CA with: jitr pki ca {path.parent}")


def _pem(section: "Section", name: str, path: "Path", remedy: str) -> str:
    """The file's text; a DER certificate as PEM. What it holds is judged where it is used."""
    key = section.key(name)
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise ConfigurationError(
            key, f"'{path}', {reason}", f"the path of a certificate file; {remedy}"
        ) from error
    if b"-----BEGIN" in content:
        return content.decode("utf-8", errors="replace")
    try:
        return Certificate.load(content).pem
    except MalformedCertificateError as error:
        raise ConfigurationError(key, f"'{path}', not a certificate", f"PEM or DER; {remedy}") from error


def _read_signer(ca: "Section", mode: Mode) -> Signer:
    if ca.get("signer") is None and mode is Mode.SNI_ONLY:
        return NoSigner()
    section = ca.section("signer")
    kind = section.get("type")
    if kind not in [*KINDS]:
        raise section.wrong("type", ", ".join(KINDS))
    signer = _SIGNERS[kind](section)
    section.finish()
    return signer


def _read_secret(signer: "Section") -> Signer:
    return SecretSigner(
        secret_id=signer.text("secret", allowed=_SECRET_ALLOWED),
        encryption_key_arn=signer.text("encryption_key", None, pattern=KEY_ARN, allowed=KEY_ARN_ALLOWED),
    )


def _read_kms(signer: "Section") -> Signer:
    return KmsSigner(signer.text("key", pattern=KEY_ARN, allowed=_SIGNING_KEY_ALLOWED))


def _read_private_ca(signer: "Section") -> Signer:
    return PrivateCaSigner(signer.text("arn", pattern=_PRIVATE_CA, allowed=_PRIVATE_CA_ALLOWED))


def _read_presigned(signer: "Section") -> Signer:
    remedy = "make one with: jitr ca registration-code, jitr ca sign-verification"
    path = signer.file(
        "verification_certificate", allowed=f"the path of the verification certificate; {remedy}"
    )
    if path is None:
        raise signer.wrong("verification_certificate", f"the path of the verification certificate; {remedy}")
    return PresignedSigner(_pem(signer, "verification_certificate", path, remedy))


def _read_none(_signer: "Section") -> Signer:
    return NoSigner()


_SIGNERS = {
    "secret": _read_secret,
    "kms": _read_kms,
    "acm-pca": _read_private_ca,
    "presigned": _read_presigned,
    "none": _read_none,
}
