import ast
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

import iot_jitr_runtime
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG, deferral, error_code
from iot_jitr_runtime.outcomes import Reason
from tests.support.aws_response import aws_response


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "the service's text"}}, "UpdateCertificate")


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
def test_an_error_of_the_service_is_deferred_with_its_message(code: str, reason: Reason) -> None:
    deferred = deferral(client_error(code))
    assert deferred.reason is reason
    assert "the service's text" in deferred.detail


def test_a_service_that_cannot_be_reached_is_a_service_error() -> None:
    error = ReadTimeoutError(endpoint_url="http://iot")
    assert deferral(error).reason is Reason.SERVICE_ERROR
    assert error_code(error) == "ReadTimeoutError"


def test_an_error_without_a_code_is_unknown() -> None:
    assert error_code(ClientError({}, "UpdateCertificate")) == "Unknown"


def test_a_throttled_call_is_tried_three_times_with_jitter_before_it_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", pauses.append)
    with mock_aws():
        iot = boto3.client(
            "iot",
            region_name="eu-central-1",
            config=CLIENT_CONFIG,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        iot.meta.events.register_first(
            "before-send.iot.*", lambda **_: aws_response(400, error="ThrottlingException")
        )

        with pytest.raises(iot.exceptions.ThrottlingException):
            iot.describe_certificate(certificateId="0" * 64)

    assert len(pauses) == 2
    assert sum(pauses) < 3, "it fits into the time that is kept for one message"
    assert len(set(pauses)) == 2


def test_every_client_of_the_functions_is_given_its_time_outs() -> None:
    made = [
        (f"{path.name}:{node.lineno}", {keyword.arg for keyword in node.keywords})
        for path in Path(iot_jitr_runtime.__path__[0]).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "client"
    ]

    assert made
    assert not [place for place, given in made if "config" not in given]
