"""One CA: its certificate, its signer, and its state in AWS IoT."""

import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, TypedDict, Unpack, cast

from pydantic import WrapValidator

from iot_jitr.allowed import flag, one_of, refusal, text, texts
from iot_jitr.configuration.certificate import certificate_pem
from iot_jitr.configuration.revocation import REVOCATIONS, CrlBucket, CrlUrl, Revocation
from iot_jitr.configuration.signer import SIGNERS, read_signer
from iot_jitr.signers import CaSigner
from iot_jitr.validation import options
from iot_jitr_runtime import environment
from iot_jitr_runtime.ca_registration.properties import CaStatus, Mode, OnDelete, OnExisting
from iot_jitr_runtime.ca_registration.signers import NoSigner, PrivateCaSigner

RESERVED_NAMES = ("Registration", "Role")
"""Constructs beside those of the CAs have these names."""
_NAME = f"a letter, then up to 31 letters and digits; not one of {', '.join(RESERVED_NAMES)}"
_MOST_TAGS = 45
_TAG_KEY = r"(?!(?i:aws|jitr):)[\w .:/=+@-]{1,128}"
_TAG_VALUE = r"[\w .:/=+@-]{0,256}"
_CERTIFICATE = "the path of the CA certificate, PEM or DER; make a development CA with: jitr pki ca ca"


def _possible_tags(tags: Mapping[str, str]) -> bool:
    return len(tags) <= _MOST_TAGS and all(
        re.fullmatch(_TAG_KEY, key) and re.fullmatch(_TAG_VALUE, value) for key, value in tags.items()
    )


class CaOptions(TypedDict, total=False):
    """The options of `CaConfiguration`, except name, revocation and certificate."""

    signer: CaSigner
    mode: Mode | str
    status: CaStatus | str
    auto_registration: bool
    on_existing: OnExisting | str
    on_delete: OnDelete | str
    accept_ca_certificates_as_devices: bool
    tags: Mapping[str, str]


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
            _NAME,
            at_synthesis=_NAME,
        ),
    ]
    """Name of the CA in the stack; a renamed CA is registered again. A letter, then up to 31 letters and
    digits, not `Registration` or `Role`."""
    revocation: Annotated[Revocation | str, REVOCATIONS]
    """The source of its CRLs, or `"none"` for a CA without CRLs; for `"none"` the synthesis shows a warning.
    There is no default."""
    certificate: Annotated[str | Path | None, certificate_pem(_CERTIFICATE)] = None
    """The CA certificate without its key: its text, PEM, or the path of its file, PEM or DER, see also
    `CaConfiguration.from_file`. None: it is read from the AWS Private CA that is the signer.
    https://docs.aws.amazon.com/iot/latest/apireference/API_RegisterCACertificate.html"""
    signer: Annotated[CaSigner, SIGNERS, WrapValidator(read_signer)] = field(default_factory=NoSigner)
    """The signer of the verification certificate that mode DEFAULT needs. It may also be the secret, the KMS
    key or the Private CA itself (`ISecret`, `IKey`, `ICertificateAuthority`, `CfnCertificateAuthority`); if
    the ARN of a secret or a key is known only at deployment, the object itself is required.
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
    """The action if this CA is registered already, and not by this stack."""
    on_delete: Annotated[OnDelete | str, one_of(OnDelete)] = OnDelete.DISABLE
    """The action on the CA when the stack is deleted."""
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
    """Tags of the CA, 45 at most, besides its ownership tags, which begin with `jitr:`. The tags of
    `Tags.of(pipeline)` are added.
    https://docs.aws.amazon.com/iot/latest/apireference/API_TagResource.html"""

    def __post_init__(self) -> None:
        unsigned = isinstance(self.signer, NoSigner)
        if self.mode is Mode.DEFAULT and unsigned:
            raise refusal(
                "signer", "none with mode DEFAULT", "secret, kms, acm-pca, presigned, or mode SNI_ONLY"
            )
        if self.mode is Mode.SNI_ONLY and not unsigned:
            raise refusal(
                "signer", "a signer with mode SNI_ONLY", "none, or mode DEFAULT: SNI_ONLY proves nothing"
            )
        if self.certificate is None and not isinstance(self.signer, PrivateCaSigner):
            raise refusal(
                "certificate", "nothing", f"{_CERTIFICATE}; only that of an AWS Private CA is read from AWS"
            )

    @classmethod
    def from_file(
        cls, path: str | Path, *, name: str, revocation: Revocation | str, **options: Unpack[CaOptions]
    ) -> "CaConfiguration":
        """Create a configuration from the file of a CA certificate.

        Args:
            path: The file, PEM or DER, without the CA's key; relative to the current folder.
                https://docs.aws.amazon.com/iot/latest/apireference/API_RegisterCACertificate.html
            name: Name of the CA in the stack.
            revocation: The source of its CRLs, or `"none"`.
            options: The other options of `CaConfiguration`.

        Raises:
            ConfigurationError: The file cannot be read or is no certificate, or an option is wrong.
        """
        return cls(name=name, revocation=revocation, certificate=path, **options)

    @property
    def crl_source(self) -> CrlUrl | CrlBucket | None:
        """The source of its CRLs; None if it has no CRL."""
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
