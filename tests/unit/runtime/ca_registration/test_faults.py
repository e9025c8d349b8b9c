"""Each fault at each API call of each step: the step is undone, and a repetition succeeds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.config import Config

from iot_jitr_runtime.ca_registration.handler import respond
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaProperties, OnDelete
from iot_jitr_runtime.ca_registration.registry import OutcomeUnknownError, RegistryError
from iot_jitr_runtime.ca_registration.signers import KmsSigner, PrivateCaSigner, SecretSigner
from iot_jitr_runtime.errors import JitrError
from tests.support.ca_builder import CaSpec, ca_of, make_kms_key, make_private_ca, pem_of
from tests.support.ca_registry import EmulatedIot, ca_account
from tests.support.ca_resource import CaResource
from tests.support.faults import Crash, Fault, injected, stepped

SPEC = CaSpec()
CA = SPEC.build()
NEXT_CA = CaSpec("Next CA", key=SPEC.key).build()
PROPERTIES = CaProperties(CA.pem, SecretSigner("ca-key"), on_delete=OnDelete.DELETE, ca_tags={"a": "1"})
SERVICES = ("secretsmanager", "kms", "acm-pca", "iot")
ONE_TRY = Config(retries={"total_max_attempts": 1})
FAILURES = [fault for fault in Fault if not fault.name.startswith("CRASH")]


@dataclass
class Account:
    """One account with the clients that the function uses, and one resource of a stack."""

    iot: EmulatedIot
    clients: dict[str, Any]
    resource: CaResource
    kms_properties: CaProperties
    private_ca_properties: CaProperties

    def create(self, properties: CaProperties = PROPERTIES) -> str:
        return self.resource.create(properties)

    def update(self, ca_id: str, **changes: Any) -> None:
        self.resource.call("Update", replace(PROPERTIES, **changes), PhysicalResourceId=ca_id, Old=PROPERTIES)

    def delete(self, ca_id: str, properties: CaProperties = PROPERTIES) -> None:
        self.resource.call("Delete", properties, PhysicalResourceId=ca_id)


@contextmanager
def account_with_key() -> Iterator[Account]:
    with ca_account() as account:
        clients = {
            name: account.session.client(name, config=ONE_TRY)  # type: ignore[call-overload]
            for name in SERVICES
        }
        session: Any = SimpleNamespace(client=lambda name, config: clients[name])  # noqa: ARG005
        clients["secretsmanager"].create_secret(Name="ca-key", SecretString=pem_of(SPEC.key))
        kms_arn, kms_key = make_kms_key(clients["kms"], "ECC_NIST_P256")
        private_ca_arn, _ = make_private_ca(clients["acm-pca"])
        yield Account(
            account.iot,
            clients,
            CaResource(lambda event: respond(event, session)),
            replace(PROPERTIES, ca_certificate_pem=ca_of(kms_key).pem, signer=KmsSigner(kms_arn)),
            replace(PROPERTIES, ca_certificate_pem=None, signer=PrivateCaSigner(private_ca_arn)),
        )


@pytest.fixture(scope="module")
def shared() -> Iterator[Account]:
    with account_with_key() as account:
        yield account


@pytest.fixture
def account(shared: Account) -> Account:
    """The one account of this module, emptied."""
    shared.iot.clear()
    return shared


@dataclass(frozen=True)
class Step:
    """A step, what comes before it, and what it does."""

    name: str
    arrange: Callable[[Account], Any]
    act: Callable[[Account, Any], Any]

    def __str__(self) -> str:
        return self.name


def nothing(_: Account) -> None:
    pass


def registered_by_another(account: Account) -> str:
    # Only CloudFormation may set the last one.
    return account.iot.add(CA, dict.fromkeys(["a", "b", "aws:cloudformation:stack-name"], "theirs"))


def kept_by_us(account: Account) -> None:
    ca_id = account.create(replace(PROPERTIES, on_delete=OnDelete.DEACTIVATE))
    account.delete(ca_id, replace(PROPERTIES, on_delete=OnDelete.DEACTIVATE))


def adopted(account: Account) -> str:
    registered_by_another(account)
    return account.create()


CREATE = Step("create", nothing, lambda account, _: account.create())
CREATE_WITH_KMS = Step("create with KMS", nothing, lambda account, _: account.create(account.kms_properties))
CREATE_WITH_PRIVATE_CA = Step(
    "create with a Private CA", nothing, lambda account, _: account.create(account.private_ca_properties)
)
ADOPT = Step("adopt", registered_by_another, lambda account, _: account.create())
TAKE_OVER = Step("take over", kept_by_us, lambda account, _: account.create())
UPDATE = Step(
    "update",
    Account.create,
    lambda account, ca_id: account.update(
        ca_id, auto_registration=AutoRegistration.DISABLE, ca_tags={"c": "3"}
    ),
)
REPLACE = Step(
    "replace",
    Account.create,
    lambda account, ca_id: account.update(ca_id, ca_certificate_pem=NEXT_CA.pem),
)
DELETES = [
    Step(
        f"delete, {on_delete}",
        Account.create,
        lambda account, ca_id, on_delete=on_delete: account.delete(
            ca_id, replace(PROPERTIES, on_delete=on_delete)
        ),
    )
    for on_delete in OnDelete
]
RESTORE = Step("restore", adopted, Account.delete)

OTHER_SIGNERS = [CREATE_WITH_KMS, CREATE_WITH_PRIVATE_CA]
CHANGES = [CREATE, ADOPT, TAKE_OVER, UPDATE, REPLACE]
ALL = [*CHANGES, *DELETES, RESTORE]


@cache
def calls_of(step: Step) -> tuple[tuple[str, str, int], ...]:
    """Every API call of a step: service, operation, and which call of that operation it is."""
    with account_with_key() as here:
        before = step.arrange(here)
        with stepped(**{each: here.clients[each] for each in SERVICES}) as calls:
            step.act(here, before)
        return tuple(calls)


def cases(steps: list[Step], faults: list[Fault]) -> list[Any]:
    return [
        pytest.param(step, call, fault, id=f"{step}-{call[1]}{call[2]}-{fault}")
        for step in steps
        for call in calls_of(step)
        for fault in faults
    ]


def test_the_steps_make_the_expected_calls() -> None:
    assert [name for _, name, _ in calls_of(CREATE)] == [
        "GetSecretValue",
        "GetRegistrationCode",
        "RegisterCACertificate",
    ]
    assert {name for _, name, _ in calls_of(ADOPT)} >= {"TagResource", "UpdateCACertificate"}


@pytest.mark.parametrize(("step", "call", "fault"), cases([*CHANGES, *OTHER_SIGNERS], FAILURES))
def test_a_failed_step_restores_the_former_state(
    account: Account, step: Step, call: tuple[str, str, int], fault: Fault
) -> None:
    service, operation, at_call = call
    before = step.arrange(account)
    state = account.iot.snapshot()

    with injected(account.clients[service], operation, fault, at_call=at_call) as struck:
        try:
            step.act(account, before)
        except JitrError:
            assert account.iot.snapshot() == state
        else:
            if operation == "RegisterCACertificate":
                # A lost response: the CA is found, and the step continues.
                assert fault in {Fault.SERVER_ERROR, Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER}
            else:
                # A CA that is registered already needs no verification certificate.
                assert step in {ADOPT, TAKE_OVER}
                assert operation in {"GetSecretValue", "GetRegistrationCode"}
    assert struck() == 1


@pytest.mark.parametrize(("step", "call", "fault"), cases(ALL, list(Fault)))
def test_a_repeated_step_has_the_same_result_as_without_a_fault(
    account: Account, step: Step, call: tuple[str, str, int], fault: Fault
) -> None:
    service, operation, at_call = call
    step.act(account, step.arrange(account))
    without_fault = account.iot.snapshot()
    account.iot.clear()
    before = step.arrange(account)

    with injected(account.clients[service], operation, fault, at_call=at_call), suppress(JitrError, Crash):
        step.act(account, before)
    step.act(account, before)

    assert account.iot.snapshot() == without_fault


def test_a_failed_undo_step_keeps_the_first_error_and_the_other_undo_steps(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    ca_id = registered_by_another(account)
    tags = dict(account.iot.tags_of(ca_id))
    iot = account.clients["iot"]

    with (
        injected(iot, "UpdateCACertificate", Fault.TIMEOUT_AFTER),
        injected(iot, "UpdateCACertificate", Fault.THROTTLE, at_call=2),
        pytest.raises(OutcomeUnknownError, match="UpdateCACertificate"),
    ):
        account.create()

    assert account.iot.tags_of(ca_id) == tags
    assert "could not undo a change of the CA certificate: UpdateCACertificate" in caplog.text


def test_a_ca_without_tags_has_none_after_a_failure(account: Account) -> None:
    account.iot.add(CA)
    state = account.iot.snapshot()

    with (
        injected(account.clients["iot"], "UpdateCACertificate", Fault.THROTTLE),
        pytest.raises(RegistryError),
    ):
        account.create()

    assert account.iot.snapshot() == state
