"""The signer of a CA's verification certificate: each signer's keys in `cdk.json`, and its CDK objects."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Final

from iot_jitr.allowed import refusal, text
from iot_jitr.choices import OneOfClasses
from iot_jitr.configuration.certificate import certificate_pem
from iot_jitr.encryption import KEY_ARN, KEY_ARN_ALLOWED
from iot_jitr.signers import CaSigner, aliased, arn_of_private_ca, is_key, is_secret
from iot_jitr.validation import options
from iot_jitr_runtime.ca_registration.signers import KINDS, PrivateCaSigner, Signer

if TYPE_CHECKING:
    from pydantic import ValidatorFunctionWrapHandler

_VERIFICATION = (
    "the path of the verification certificate; make one with: jitr ca registration-code, "
    "jitr ca sign-verification"
)


@options
class SecretKeys:
    """The CA's key is a PEM in Secrets Manager."""

    # If the ARN is known only at deployment, it may lack the six characters that a permission must contain.
    secret: Annotated[
        str,
        text(
            r".+",
            "the ARN or the name of the secret that holds the CA's key",
            at_synthesis="the secret itself (ISecret)",
        ),
    ]
    """The ARN or the name of the secret that holds the CA's key."""
    encryption_key: Annotated[str | None, text(KEY_ARN, KEY_ARN_ALLOWED)] = None
    """The ARN of the KMS key that encrypts the secret."""


@options
class KmsKeys:
    """The CA's key is an asymmetric KMS key; it never leaves KMS."""

    # If the ARN is known only at deployment, it may be the ARN of an alias.
    key: Annotated[
        str,
        text(
            KEY_ARN,
            "the ARN of the KMS key that is the CA's key, arn:…:key/…; IAM matches no alias",
            at_synthesis="the key itself (IKey)",
        ),
    ]
    """The ARN of the KMS key that is the CA's key, arn:…:key/…; IAM does not accept an alias."""


@options
class PrivateCaKeys:
    """The CA is an AWS Private CA."""

    arn: Annotated[str, text(r"arn:[a-z-]+:acm-pca:[a-z0-9-]+:[0-9]{12}:.+", "the ARN of the AWS Private CA")]
    """The ARN of the AWS Private CA."""


@options
class PresignedKeys:
    """The CA's key is offline; its holder has signed the verification certificate already."""

    verification_certificate: Annotated[str, certificate_pem(_VERIFICATION)]
    """The path of the verification certificate; make one with: jitr ca registration-code, jitr ca
    sign-verification."""


@options
class NoKeys:
    """There is no signer: for mode SNI_ONLY, in which AWS IoT refuses a verification certificate."""


SIGNERS: Final = OneOfClasses(
    {
        "secret": SecretKeys,
        "kms": KmsKeys,
        "acm-pca": PrivateCaKeys,
        "presigned": PresignedKeys,
        "none": NoKeys,
    },
    "a signer, an object with a type: " + ", ".join(KINDS),
)
"""The keys of each signer in `cdk.json`, in the order of the fields of its class in `KINDS`."""


def read_signer(value: Any, read: "ValidatorFunctionWrapHandler") -> CaSigner:
    """Return the signer for an object of `cdk.json`, for one of `KINDS`, or for one of the CDK.

    Args:
        value: The value of the option.
        read: Reads one of the classes of `SIGNERS`.
    """
    if is_secret(value) or is_key(value):
        if (which := aliased(value)) is not None:
            raise refusal(which, "an alias", "the key that the alias is of: IAM matches no alias")
        return value
    if (authority := arn_of_private_ca(value)) is not None:
        value = PrivateCaSigner(authority)
    keys = read(_as_in_json(value))
    name = next(name for name, kind in SIGNERS.classes.items() if isinstance(keys, kind))
    return KINDS[name](*(getattr(keys, each.name) for each in fields(keys)))


def _as_in_json(value: Signer | Mapping[str, Any]) -> Any:
    for name, kind in KINDS.items():
        if isinstance(value, kind):
            keys: Any = SIGNERS.classes[name]
            pairs = zip(fields(keys), fields(kind), strict=True)
            given = {key.name: getattr(value, each.name) for key, each in pairs}
            return {"type": name, **{key: each for key, each in given.items() if each is not None}}
    return value
