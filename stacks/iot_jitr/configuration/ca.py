"""One CA: its certificate, who signs for it, and what becomes of it."""

import re
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, TypedDict, Unpack, cast

import aws_cdk as cdk

from iot_jitr.allowed import (
    Allowed,
    contradiction,
    did_you_mean,
    file,
    flag,
    one_of,
    shown,
    text,
    texts,
    wrong,
)
from iot_jitr.configuration.revocation import REVOCATIONS, CrlBucket, CrlUrl, Revocation
from iot_jitr.encryption import KEY_ARN, KEY_ARN_ALLOWED
from iot_jitr.signers import CaSigner, aliased, arn_of_private_ca, is_key, is_secret
from iot_jitr.validation import options
from iot_jitr_runtime import environment
from iot_jitr_runtime.ca_registration.properties import CaStatus, Mode, OnDelete, OnExisting
from iot_jitr_runtime.ca_registration.signers import (
    KINDS,
    NoSigner,
    PrivateCaSigner,
    Signer,
)
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError

RESERVED_NAMES = ("Registration", "Role")
"""Constructs beside those of the CAs have these names."""
_MOST_TAGS = 45
_TAG_KEY = r"(?!(?i:aws|jitr):)[\w .:/=+@-]{1,128}"
_TAG_VALUE = r"[\w .:/=+@-]{0,256}"
_CERTIFICATE = "the path of the CA certificate, PEM or DER; make a development CA with: jitr pki ca ca"
_VERIFICATION = (
    "the path of the verification certificate; make one with: jitr ca registration-code, "
    "jitr ca sign-verification"
)
_SIGNER = "a signer, an object with a type: " + ", ".join(KINDS)


def _possible_tags(tags: Mapping[str, str]) -> bool:
    return len(tags) <= _MOST_TAGS and all(
        re.fullmatch(_TAG_KEY, key) and re.fullmatch(_TAG_VALUE, value) for key, value in tags.items()
    )


def _read_pem(allowed: str) -> Allowed:
    """A certificate: its text, PEM, or the path of its file, PEM or DER. It is parsed where it is used."""

    def read(value: Any, folder: Path) -> str:
        if isinstance(value, str) and cdk.Token.is_unresolved(value):
            raise wrong(value, "a certificate that is known at synthesis, where it is checked")
        if isinstance(value, str) and "-----BEGIN" in value:
            return value
        return _content(path.read(value, folder), allowed)

    path = file(allowed)
    return Allowed(allowed, read)


def _content(path: Path, allowed: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise contradiction("", f"'{path}', {reason}", allowed) from error
    if b"-----BEGIN" in content:
        return content.decode("utf-8", errors="replace")
    try:
        return Certificate.load(content).pem
    except MalformedCertificateError as error:
        raise contradiction("", f"'{path}', not a certificate", allowed) from error


SIGNERS: Mapping[str, Mapping[str, tuple[str, Allowed]]] = {
    "secret": {
        "secret": ("secret_id", text(r".+", "the ARN or the name of the secret that holds the CA's key")),
        "encryption_key": ("encryption_key_arn", text(KEY_ARN, KEY_ARN_ALLOWED)),
    },
    "kms": {
        "key": (
            "key_arn",
            text(KEY_ARN, "the ARN of the KMS key that is the CA's key, arn:…:key/…; IAM matches no alias"),
        )
    },
    "acm-pca": {
        "arn": (
            "certificate_authority_arn",
            text(r"arn:[a-z-]+:acm-pca:[a-z0-9-]+:[0-9]{12}:.+", "the ARN of the AWS Private CA"),
        )
    },
    "presigned": {"verification_certificate": ("verification_certificate_pem", _read_pem(_VERIFICATION))},
    "none": {},
}
"""The keys of each signer in `cdk.json`, each with the field that it is of its class."""
_MAY_BE_LEFT_OUT = "encryption_key"
_SIGNER_SCHEMA = {
    "anyOf": [
        {
            "type": "object",
            "description": (KINDS[kind].__doc__ or "").partition("\n")[0],
            "properties": {
                "type": {"const": kind},
                **{
                    key: {**allowed.schema, "description": allowed.words}
                    for key, (_, allowed) in keys.items()
                },
            },
            "required": ["type", *(key for key in keys if key != _MAY_BE_LEFT_OUT)],
            "additionalProperties": False,
        }
        for kind, keys in SIGNERS.items()
    ]
}
_NOT_AS_TOKEN = {"secret": "the secret itself (ISecret)", "key": "the key itself (IKey)"}
"""Such an ARN may lack the six characters that a permission must name, or be of an alias."""


def _read_signer(value: Any, folder: Path) -> CaSigner:
    if isinstance(value, Mapping):
        return _signer_of(value, folder)
    kind = next((name for name, source in KINDS.items() if isinstance(value, source)), None)
    if kind is not None:
        keys = SIGNERS[kind].items()
        fields = {name: _read_key(key, getattr(value, name), each, folder) for key, (name, each) in keys}
        return cast("CaSigner", replace(value, **fields))
    if (authority := arn_of_private_ca(value)) is not None:
        return PrivateCaSigner(authority)
    if not is_secret(value) and not is_key(value):
        raise TypeError
    if (which := aliased(value)) is not None:
        raise contradiction(which, "an alias", "the key that the alias is of: IAM matches no alias")
    return cast("CaSigner", value)


def _signer_of(value: Mapping[str, Any], folder: Path) -> Signer:
    kind = value.get("type")
    known = ", ".join(KINDS)
    if kind not in list(KINDS):
        raise contradiction("type", shown(kind), did_you_mean(kind, KINDS) + known)
    keys = SIGNERS[kind]
    for unknown in set(value) - {"type", *keys}:
        allowed = did_you_mean(unknown, keys) + ", ".join(sorted(["type", *keys]))
        raise contradiction(str(unknown), "an unknown key", allowed)
    fields = {name: _read_key(key, value.get(key), each, folder) for key, (name, each) in keys.items()}
    return KINDS[kind](**fields)


def _read_key(key: str, value: Any, allowed: Allowed, folder: Path) -> Any:
    if value is None and key == _MAY_BE_LEFT_OUT:
        return None
    if isinstance(value, str) and cdk.Token.is_unresolved(value) and key in _NOT_AS_TOKEN:
        raise contradiction(key, shown(value), _NOT_AS_TOKEN[key])
    try:
        return allowed.read(value, folder)
    except (TypeError, ValueError) as error:
        context = getattr(error, "context", None) or {"found": shown(value), "allowed": allowed.words}
        raise contradiction(key, context["found"], context["allowed"]) from error


class CaOptions(TypedDict, total=False):
    """The options of a CA besides its name, revocation and certificate, as of `CaConfiguration`."""

    signer: CaSigner
    mode: Mode | str
    status: CaStatus | str
    auto_registration: bool
    on_existing: OnExisting | str
    on_delete: OnDelete | str
    accept_ca_certificates_as_devices: bool
    tags: Mapping[str, str]


_SIGNERS = Allowed(_SIGNER, _read_signer, schema=_SIGNER_SCHEMA)


@options
class CaConfiguration:
    """A CA whose devices are registered just in time.

    Raises:
        ConfigurationError: A value is out of its range, or two of them contradict one another.
    """

    name: Annotated[
        str,
        text(
            rf"(?!({'|'.join(RESERVED_NAMES)})$)[A-Za-z][A-Za-z0-9]{{0,31}}",
            f"a letter, then up to 31 letters and digits; not one of {', '.join(RESERVED_NAMES)}",
            at_synthesis=True,
        ),
    ]
    """Names the CA in the stack; to rename it is to register it anew. A letter, then up to 31 letters and
    digits, not `Registration` or `Role`."""
    revocation: Annotated[Revocation | str, REVOCATIONS]
    """Where its CRLs come from, or `"none"`, which says in words that this CA has none; the synthesis warns
    of it. There is no default."""
    certificate: Annotated[str | Path | None, _read_pem(_CERTIFICATE)] = None
    """The CA certificate without its key: its text, PEM, or the path of its file, PEM or DER, see also
    `CaConfiguration.from_file`. None: read from the AWS Private CA that signs.
    https://docs.aws.amazon.com/iot/latest/apireference/API_RegisterCACertificate.html"""
    signer: Annotated[CaSigner, Allowed(_SIGNER, _read_signer, schema=_SIGNER_SCHEMA)] = field(
        default_factory=NoSigner
    )
    """What signs the verification certificate that mode DEFAULT needs. Also the secret, the KMS key or the
    Private CA itself (`ISecret`, `IKey`, `ICertificateAuthority`, `CfnCertificateAuthority`); a secret or a
    key must be given so where its ARN is known at deployment only.
    https://docs.aws.amazon.com/iot/latest/developerguide/manage-your-CA-certs.html"""
    mode: Annotated[Mode | str, one_of(Mode)] = Mode.DEFAULT
    """Whether possession of the CA's key is proved to AWS."""
    status: Annotated[CaStatus | str, one_of(CaStatus)] = CaStatus.ACTIVE
    """INACTIVE: no new registrations; devices that are active stay connected."""
    auto_registration: Annotated[bool, flag()] = True
    """False for a CA that is being retired: its new devices are not registered; those that are active stay
    connected.
    https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCACertificate.html"""
    on_existing: Annotated[OnExisting | str, one_of(OnExisting)] = OnExisting.ADOPT
    """What to do when this CA is registered already, and not by this stack."""
    on_delete: Annotated[OnDelete | str, one_of(OnDelete)] = OnDelete.DISABLE
    """What becomes of the CA when the stack is deleted."""
    accept_ca_certificates_as_devices: Annotated[bool, flag()] = False
    """True: a device may present a certificate with basicConstraints CA:TRUE, for a fleet whose factory set
    it by mistake. The synthesis warns of it.
    https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.9"""
    tags: Annotated[
        Mapping[str, str],
        texts(
            f"an object of at most {_MOST_TAGS} texts, of letters, digits and . : / = + - @ _; no key may "
            "begin with aws: or jitr:",
            _possible_tags,
        ),
    ] = field(default_factory=dict, hash=False)
    """Tags of the CA besides those that say whose it is, which begin with `jitr:`; 45 at most. Those of
    `Tags.of(pipeline)` are added.
    https://docs.aws.amazon.com/iot/latest/apireference/API_TagResource.html"""

    def __post_init__(self) -> None:
        unsigned = isinstance(self.signer, NoSigner)
        if self.mode is Mode.DEFAULT and unsigned:
            raise contradiction(
                "signer", "none with mode DEFAULT", "secret, kms, acm-pca, presigned, or mode SNI_ONLY"
            )
        if self.mode is Mode.SNI_ONLY and not unsigned:
            raise contradiction(
                "signer", "a signer with mode SNI_ONLY", "none, or mode DEFAULT: SNI_ONLY proves nothing"
            )
        if self.certificate is None and not isinstance(self.signer, PrivateCaSigner):
            raise contradiction(
                "certificate", "nothing", f"{_CERTIFICATE}; only an AWS Private CA can be asked for its own"
            )

    @classmethod
    def from_file(
        cls, path: str | Path, *, name: str, revocation: Revocation | str, **options: Unpack[CaOptions]
    ) -> "CaConfiguration":
        """Make one of the file of a CA certificate.

        Args:
            path: The file, PEM or DER, without the CA's key; relative to the current folder.
                https://docs.aws.amazon.com/iot/latest/apireference/API_RegisterCACertificate.html
            name: Names the CA in the stack.
            revocation: Where its CRLs come from, or `"none"`.
            options: The other options of `CaConfiguration`.

        Raises:
            ConfigurationError: The file cannot be read or is no certificate, or an option is wrong.
        """
        return cls(name=name, revocation=revocation, certificate=path, **options)

    @property
    def crl_source(self) -> CrlUrl | CrlBucket | None:
        """Where its CRLs come from; None where it has none."""
        return self.revocation if isinstance(self.revocation, CrlUrl | CrlBucket) else None

    @property
    def setting(self) -> dict[str, object]:
        """Its settings for the functions (`JITR_CAS`)."""
        accepts = {environment.ACCEPT_CA_CERTIFICATES: True} if self.accept_ca_certificates_as_devices else {}
        return {"revocation": "crl" if self.crl_source else "none", **accepts}

    @property
    def certificate_pem(self) -> str | None:
        """The CA certificate, PEM; None where it is read from the AWS Private CA."""
        return cast("str | None", self.certificate)
