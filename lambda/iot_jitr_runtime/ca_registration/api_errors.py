"""What AWS IoT's errors about CA certificates mean, and what to do about each."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from iot_jitr_runtime.aws_errors import DENIED, AwsError, error_code
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId

_FIRST_SERVER_ERROR = 500


class RegistryError(JitrError):
    """AWS IoT did not do what it was asked about a CA certificate, and did not begin to."""

    explanation: ClassVar[str] = "it was refused"


class AlreadyRegisteredError(RegistryError):
    """The CA is registered already, under the id `ca_id`."""

    def __init__(self, ca_id: str) -> None:
        super().__init__(f"the CA certificate is already registered, with id {ca_id or '(not told)'}")
        self.ca_id = CaCertificateId(ca_id)


class NotRegisteredError(RegistryError):
    """No CA certificate with this id in this account and region."""

    explanation = "no such CA certificate"


class WrongRegistrationCodeError(RegistryError):
    """The verification certificate was made for another account or region."""

    explanation = (
        "the verification certificate's common name must be the registration code of this very account and "
        "region ('jitr ca registration-code')"
    )


class CertificatesRefusedError(RegistryError):
    """AWS IoT does not accept the CA certificate or the verification certificate."""

    explanation = (
        "the verification certificate must be signed by the CA certificate's key, and both must be valid now"
    )


class CaLimitReachedError(RegistryError):
    """The account holds as many CA certificates as its quota allows."""

    explanation = (
        "the account's quota is reached; delete a CA certificate that is not in use ('jitr ca list'), or ask "
        "for a higher quota"
    )


class ThrottledError(RegistryError):
    """AWS IoT throttled the call through all its retries."""

    explanation = "throttled through all retries; try again later"


class DeniedError(RegistryError):
    """The caller's role lacks a permission."""

    explanation = "the permission is missing"


class OutcomeUnknownError(RegistryError):
    """The call failed in a way that leaves open whether it took effect."""

    explanation = "it may or may not have taken effect; try again"


_KIND_OF: Mapping[str, type[RegistryError]] = {
    "ResourceNotFoundException": NotRegisteredError,
    "RegistrationCodeValidationException": WrongRegistrationCodeError,
    "CertificateValidationException": CertificatesRefusedError,
    "LimitExceededException": CaLimitReachedError,
    "ThrottlingException": ThrottledError,
    "TooManyRequestsException": ThrottledError,
    **dict.fromkeys(DENIED, DeniedError),
}


@contextmanager
def translated(call: str) -> Iterator[None]:
    """Turn an AWS error of `call`, named as it shall be in the message, into a `RegistryError`."""
    try:
        yield
    except AwsError as error:
        raise _translate(error, call) from error


def _translate(error: ClientError | BotoCoreError, call: str) -> RegistryError:
    code = error_code(error)
    if isinstance(error, ParamValidationError):
        return RegistryError(f"{call}: {RegistryError.explanation} ({error})")
    if not isinstance(error, ClientError):
        return OutcomeUnknownError(f"{call}: {OutcomeUnknownError.explanation} ({code}: {error})")
    if code == "ResourceAlreadyExistsException":
        return AlreadyRegisteredError(str(error.response.get("resourceId", "")))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", _FIRST_SERVER_ERROR))
    unknown = OutcomeUnknownError if status >= _FIRST_SERVER_ERROR else RegistryError
    kind = _KIND_OF.get(code, unknown)
    return kind(f"{call}: {kind.explanation} ({code}: {error.response['Error'].get('Message', '')})")
