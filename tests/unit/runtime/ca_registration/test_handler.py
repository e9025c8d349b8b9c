"""The function always responds to CloudFormation, in one line and without a secret."""

import io
import json
from typing import Any

import pytest

from iot_jitr_runtime.aws_errors import DENIED
from iot_jitr_runtime.ca_registration import handler, signing
from iot_jitr_runtime.ca_registration.handler import CaRegistrationFailedError, handle
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaProperties, OnDelete
from iot_jitr_runtime.ca_registration.signers import SecretSigner
from iot_jitr_runtime.custom_resource import IAM_DELAYS, retry_while_iam_propagates
from iot_jitr_runtime.environment import CA_REGISTRATION_HANDLER
from tests.support.ca_builder import CaSpec, pem_of
from tests.support.ca_registry import CaAccount
from tests.support.ca_resource import STACK_ID, CaResource

CONTEXT: Any = object()
SPEC = CaSpec()
PROPERTIES = CaProperties(SPEC.build().pem, SecretSigner("ca-key"))


def event(request_type: str = "Create", **more: Any) -> dict[str, Any]:
    return {
        "RequestType": request_type,
        "ResponseURL": "https://response.example/?signature=private",
        "StackId": STACK_ID.format("fleet"),
        "LogicalResourceId": "CaFactory",
        "ResourceProperties": PROPERTIES.to_cloudformation(),
        **more,
    }


@pytest.fixture(autouse=True)
def _session(account: CaAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    retry_while_iam_propagates(account.session.events, "needs-retry", DENIED)
    monkeypatch.setattr(handler, "_session", account.session)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the function logs."""
    log = io.StringIO()
    monkeypatch.setattr(handler.logger.registered_handler, "stream", log)
    return log


@pytest.fixture
def _key(account: CaAccount) -> None:
    account.client("secretsmanager").create_secret(Name="ca-key", SecretString=pem_of(SPEC.key))


@pytest.mark.usefixtures("_key")
def test_answers_each_request(account: CaAccount) -> None:
    resource = CaResource(lambda event: handle(event, CONTEXT))

    resource.create(PROPERTIES)
    assert resource.attributes["AutoRegistrationStatus"] == "ENABLE"
    resource.change(auto_registration=AutoRegistration.DISABLE, on_delete=OnDelete.DELETE)
    assert resource.attributes["AutoRegistrationStatus"] == "DISABLE"
    resource.delete()
    assert account.iot.cas == {}


def test_an_expected_failure_is_reported_with_its_message(log: io.StringIO) -> None:
    with pytest.raises(CaRegistrationFailedError, match="cannot read the secret 'ca-key'") as caught:
        handle(event(), CONTEXT)

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "cannot read the secret" in json.loads(log.getvalue().splitlines()[-1])["reason"]


@pytest.mark.usefixtures("_key")
def test_an_unexpected_failure_is_reported_without_its_message(
    monkeypatch: pytest.MonkeyPatch, log: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(signing, "load_pem_private_key", fail)

    with pytest.raises(CaRegistrationFailedError, match="unexpected RuntimeError") as caught:
        handle(event(), CONTEXT)

    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in log.getvalue()
    assert "hunter2" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "broken", [{}, {"ResourceProperties": {}}, {"ResourceProperties": None}, {"RequestType": "Create"}]
)
def test_a_malformed_event_fails(broken: dict[str, Any]) -> None:
    with pytest.raises(CaRegistrationFailedError):
        handle(broken, CONTEXT)


@pytest.mark.usefixtures("_key")
def test_logs_neither_the_event_nor_the_key(monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")

    handle(event(), CONTEXT)

    logged = log.getvalue()
    assert '"request_type":"Create"' in logged
    assert "signature=private" not in logged
    assert "PRIVATE KEY" not in logged
    assert not [line for line in pem_of(SPEC.key).splitlines() if line in logged]


# Six attempts when throttled; one for each delay, and the first, while a permission is not in force.
@pytest.mark.usefixtures("_key")
@pytest.mark.parametrize(
    ("code", "tries", "reason"),
    [
        ("ThrottlingException", 6, "throttled through all retries; try again later"),
        ("AccessDeniedException", len(IAM_DELAYS) + 1, "GetRegistrationCode: the permission is missing"),
        ("UnauthorizedException", len(IAM_DELAYS) + 1, "GetRegistrationCode: the permission is missing"),
    ],
)
def test_a_denied_call_is_repeated(account: CaAccount, code: str, tries: int, reason: str) -> None:
    account.iot.refusals = [code] * tries
    with pytest.raises(CaRegistrationFailedError, match=reason):
        handle(event(), CONTEXT)
    assert account.iot.refusals == []

    account.iot.refusals = [code] * (tries - 1)
    handle(event(), CONTEXT)
    assert len(account.iot.cas) == 1


@pytest.mark.parametrize("physical_id", ["CREATE_FAILED", "2024/01/01/[$LATEST]abc", "fleet-Ca-1ABC"])
def test_deleting_a_resource_never_created_succeeds(account: CaAccount, physical_id: str) -> None:
    calls: list[str] = []
    account.session.events.register("before-call.iot", lambda model, **_: calls.append(model.name))

    answer = handle(event("Delete", PhysicalResourceId=physical_id), CONTEXT)

    assert answer == {"PhysicalResourceId": physical_id}
    assert calls == []


def test_the_handler_has_the_name_that_the_stack_gives() -> None:
    module, _, name = CA_REGISTRATION_HANDLER.rpartition(".")

    assert (module, name) == (handle.__module__, handle.__name__)
