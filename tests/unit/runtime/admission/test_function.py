"""The user's own function admits or refuses; whatever is not a clear answer in time defers."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_cli.pki.device import DeviceSpec
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
from tests.support.things import with_things

pytestmark = pytest.mark.timing

CANDIDATE = DeviceCertificate(
    CertificateId("a" * 64),
    "arn:aws:iot:eu-central-1:123456789012:cert/" + "a" * 64,
    CaCertificateId("c" * 64),
    device_certificate("sensor-7"),
)

Answer = Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes]]


@contextmanager
def lambda_that(answer: Answer) -> Iterator[Any]:
    """A Lambda endpoint on loopback that answers as told; yields a client of it."""

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
            """Say nothing."""

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


def saying(answer: object) -> Answer:
    return lambda _event: (200, {}, json.dumps(answer).encode())


def test_the_function_gets_the_verified_facts_with_the_certificate() -> None:
    seen: list[dict[str, Any]] = []

    def answer(event: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        seen.append(event)
        return 200, {}, b'{"decision": "admit"}'

    with lambda_that(answer) as client:
        assert AdmissionFunction(client, "check").admit(CANDIDATE) == {}

    [event] = seen
    assert event == facts(CANDIDATE)
    assert set(event) == {
        "version",
        "certificateId",
        "certificateArn",
        "caCertificateId",
        "serialNumber",
        "subject",
        "commonNames",
        "notBefore",
        "notAfter",
        "certificatePem",
    }
    assert event["commonNames"] == ["sensor-7"]
    assert Certificate.load(event["certificatePem"]).fingerprint == CANDIDATE.certificate.fingerprint


def test_the_function_is_called_and_its_answer_awaited() -> None:
    client = client_at(1)
    with Stubber(client) as stub:
        expected = {"FunctionName": "check", "Payload": ANY}
        stub.add_client_error("invoke", "TooManyRequestsException", expected_params=expected)
        with pytest.raises(client.exceptions.TooManyRequestsException):
            AdmissionFunction(client, "check").admit(CANDIDATE)


def test_admitted_with_attributes_for_the_thing(aws: Account) -> None:
    answer = {"decision": "admit", "thingAttributes": {"site": "lab"}}
    with_things(aws, ThingSettings())
    certificate_id = aws.pending(aws.ca.issue(DeviceSpec("sensor-7")).certificate)

    with Stubber(client := client_at(1)) as stub:
        stub.add_response("invoke", {"Payload": _body(answer)})
        aws.parts["admission"] = AdmissionFunction(client, "check")
        aws.connect(certificate_id)

    assert aws.status(certificate_id) == "ACTIVE"
    assert aws.iot.describe_thing(thingName="sensor-7")["attributes"] == {"site": "lab"}


def test_refused_with_its_reason_in_the_ledger(aws: Account) -> None:
    certificate_id = aws.pending()

    with Stubber(client := client_at(1)) as stub:
        stub.add_response("invoke", {"Payload": _body({"decision": "refuse", "reason": "sold to nobody"})})
        aws.parts["admission"] = AdmissionFunction(client, "check")
        back = aws.process(aws.event(certificate_id))

    row = aws.row(certificate_id)
    assert back == []
    assert aws.reason is Reason.REFUSED_BY_FUNCTION
    assert row.detail == "sold to nobody"
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"


def _body(answer: object) -> Any:
    from io import BytesIO

    from botocore.response import StreamingBody

    raw = json.dumps(answer).encode()
    return StreamingBody(BytesIO(raw), len(raw))


def test_a_refusal_without_a_reason_says_so() -> None:
    with (
        lambda_that(saying({"decision": "refuse"})) as client,
        pytest.raises(RefusedError, match="no reason"),
    ):
        AdmissionFunction(client, "check").admit(CANDIDATE)


def failed(client: Any) -> str:
    with pytest.raises(DeferredError) as deferred:
        AdmissionFunction(client, "check").admit(CANDIDATE)
    assert deferred.value.reason is Reason.ADMISSION_FAILED
    return str(deferred.value)


def test_an_error_of_the_function_defers() -> None:
    def crash(_event: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        return 200, {"X-Amz-Function-Error": "Unhandled"}, b'{"errorMessage": "division by zero"}'

    with lambda_that(crash) as client:
        assert "division by zero" in failed(client)


def test_an_error_that_looks_like_an_answer_admits_nobody() -> None:
    def crash(_event: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        return 200, {"X-Amz-Function-Error": "Handled"}, b'{"decision": "admit"}'

    with lambda_that(crash) as client:
        failed(client)


def test_no_answer_in_time_defers() -> None:
    done = Event()

    def keep_silent(_event: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        done.wait()
        return 200, {}, b'{"decision": "admit"}'

    with lambda_that(keep_silent) as client:
        port = int(client.meta.endpoint_url.rpartition(":")[2])
        try:
            assert "did not answer in time" in failed(client_at(port, timeout_seconds=1))
        finally:
            done.set()


def test_a_function_that_is_not_there_defers() -> None:
    def missing(_event: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        return 404, {"x-amzn-ErrorType": "ResourceNotFoundException"}, b"{}"

    with lambda_that(missing) as client:
        assert "no admission function 'check'" in failed(client)


def test_a_service_that_cannot_be_reached_is_left_to_the_activation() -> None:
    from botocore.exceptions import EndpointConnectionError

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
def test_what_is_no_clear_answer_defers(answer: object) -> None:
    with lambda_that(saying(answer)) as client:
        assert failed(client)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_answer_or_an_error(payload: bytes) -> None:
    with pytest.raises(DeferredError):
        read_answer(payload)
