"""The user's own function admits or refuses; without a clear answer in time the device is deferred."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from threading import Event
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_runtime.admission.function import AdmissionFunction, client_config, facts, read_answer
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.outcomes import DeferredError, Reason, RefusedError
from iot_jitr_runtime.things.settings import ThingSettings
from tests.support.account import Account
from tests.support.device_certificates import device_certificate
from tests.support.limits import LONGEST_WAIT
from tests.support.loopback_server import LoopbackServer
from tests.support.ports import reserved_port
from tests.support.things import pending, with_things

pytestmark = pytest.mark.timing

CANDIDATE = DeviceCertificate(
    CertificateId("a" * 64),
    "arn:aws:iot:eu-central-1:123456789012:cert/" + "a" * 64,
    CaCertificateId("c" * 64),
    device_certificate("sensor-7"),
)

Answer = Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes]]


def returning(body: bytes, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _event: (status, named, body)


@contextmanager
def lambda_that(answer: Answer) -> Iterator[Any]:
    """A Lambda endpoint on loopback with this answer; yields a client of it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, body = answer(event)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = LoopbackServer(Handler)
    with server.running():
        yield client_at(server.server_port)


def client_at(port: int, timeout_seconds: int = int(LONGEST_WAIT)) -> Any:
    return boto3.client(
        "lambda",
        region_name="eu-central-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=client_config(timeout_seconds),
    )


def test_the_function_gets_the_verified_facts_with_the_certificate() -> None:
    seen: list[dict[str, Any]] = []

    def answer(event: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        seen.append(event)
        return 200, {}, b'{"decision": "admit"}'

    with lambda_that(answer) as client:
        assert AdmissionFunction(client, "check").admit(CANDIDATE) == {}

    [event] = seen
    assert event == facts(CANDIDATE)
    members = "version certificateId certificateArn caCertificateId serialNumber subject commonNames"
    assert set(event) == {*members.split(), "notBefore", "notAfter", "certificatePem"}
    assert event["commonNames"] == ["sensor-7"]
    assert Certificate.load(event["certificatePem"]).fingerprint == CANDIDATE.certificate.fingerprint


def test_the_function_is_invoked_synchronously() -> None:
    client = client_at(1)
    with Stubber(client) as stub:
        expected = {"FunctionName": "check", "Payload": ANY}
        stub.add_client_error("invoke", "TooManyRequestsException", expected_params=expected)
        with pytest.raises(client.exceptions.TooManyRequestsException):
            AdmissionFunction(client, "check").admit(CANDIDATE)


def connect(aws: Account, certificate_id: str, answer: object) -> Reason | None:
    """Let the device connect while the function gives this answer."""
    raw = json.dumps(answer).encode()
    with Stubber(client := client_at(1)) as stub:
        stub.add_response("invoke", {"Payload": StreamingBody(BytesIO(raw), len(raw))})
        aws.parts["admission"] = AdmissionFunction(client, "check")
        return aws.connect(certificate_id)


def test_admitted_with_attributes_for_the_thing(aws: Account) -> None:
    with_things(aws, ThingSettings())

    answer = {"decision": "admit", "thingAttributes": {"site": "lab"}}
    assert connect(aws, pending(aws, "sensor-7"), answer) is None

    assert aws.iot.describe_thing(thingName="sensor-7")["attributes"] == {"site": "lab"}


def test_refused_with_its_reason_in_the_ledger(aws: Account) -> None:
    certificate_id = aws.pending()

    answer = {"decision": "refuse", "reason": "never sold"}
    assert connect(aws, certificate_id, answer) is Reason.REFUSED_BY_FUNCTION

    assert aws.row(certificate_id).detail == "never sold"
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"


def test_a_refusal_without_a_reason_is_reported_as_such() -> None:
    with pytest.raises(RefusedError, match="no reason"):
        read_answer(b'{"decision": "refuse"}')


def failed(client: Any) -> str:
    with pytest.raises(DeferredError) as deferred:
        AdmissionFunction(client, "check").admit(CANDIDATE)
    assert deferred.value.reason is Reason.ADMISSION_FAILED
    return str(deferred.value)


ERROR = b'{"errorMessage": "division by zero"}'


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (returning(ERROR, X_Amz_Function_Error="Unhandled"), "division by zero"),
        (returning(b'{"decision": "admit"}', X_Amz_Function_Error="Handled"), "failed"),
        (
            returning(b"{}", 404, X_Amzn_ErrorType="ResourceNotFoundException"),
            "no admission function 'check'",
        ),
    ],
    ids=["an error", "an error with the body of an answer", "no function"],
)
def test_an_error_of_the_function_defers(answer: Answer, detail: str) -> None:
    with lambda_that(answer) as client:
        assert detail in failed(client)


def test_an_answer_after_the_time_out_defers() -> None:
    done = Event()

    def wait(_event: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        done.wait()
        return 200, {}, b'{"decision": "admit"}'

    with lambda_that(wait) as client:
        port = int(client.meta.endpoint_url.rpartition(":")[2])
        try:
            assert "did not answer in time" in failed(client_at(port, timeout_seconds=1))
        finally:
            done.set()


def test_an_unreachable_service_raises_the_error_of_the_sdk() -> None:
    with reserved_port() as port, pytest.raises(EndpointConnectionError):
        AdmissionFunction(client_at(port), "check").admit(CANDIDATE)


UNCLEAR = [
    None,
    True,
    "admit",
    [],
    {},
    {"decision": True},
    {"decision": "Admit"},
    {"decision": ["admit"]},
    {"admit": True},
    {"decision": "admit", "reason": 7},
    {"decision": "admit", "thingAttributes": ["site"]},
    {"decision": "admit", "thingAttributes": {"site": 7}},
]


@pytest.mark.parametrize("answer", UNCLEAR, ids=json.dumps)
def test_an_unclear_answer_defers(answer: object) -> None:
    with pytest.raises(DeferredError) as deferred:
        read_answer(json.dumps(answer).encode())
    assert deferred.value.reason is Reason.ADMISSION_FAILED


@given(st.binary(max_size=60))
def test_any_other_bytes_defer(payload: bytes) -> None:
    with pytest.raises(DeferredError):
        read_answer(payload)
