import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from iot_jitr_runtime.aws_errors import deferral, error_code
from iot_jitr_runtime.outcomes import Reason


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "so it says"}}, "UpdateCertificate")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ThrottlingException", Reason.THROTTLED),
        ("ProvisionedThroughputExceededException", Reason.THROTTLED),
        ("AccessDeniedException", Reason.ACCESS_DENIED),
        ("UnauthorizedException", Reason.ACCESS_DENIED),
        ("InternalFailureException", Reason.SERVICE_ERROR),
        ("LimitExceededException", Reason.SERVICE_ERROR),
        ("SomethingNew", Reason.SERVICE_ERROR),
    ],
)
def test_an_error_of_the_service_is_deferred_with_what_it_said(code: str, reason: Reason) -> None:
    deferred = deferral(client_error(code))
    assert deferred.reason is reason
    assert "so it says" in deferred.verdict.detail


def test_a_service_that_cannot_be_reached_is_a_service_error() -> None:
    error = ReadTimeoutError(endpoint_url="http://iot")
    assert deferral(error).reason is Reason.SERVICE_ERROR
    assert error_code(error) == "ReadTimeoutError"


def test_an_error_without_a_code_is_unknown() -> None:
    assert error_code(ClientError({}, "UpdateCertificate")) == "Unknown"
