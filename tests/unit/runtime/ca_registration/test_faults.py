"""Every API call of every step fails once, in every way: nothing stays behind, a repetition succeeds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
from botocore.config import Config

from iot_jitr_runtime.ca_registration.api_errors import OutcomeUnknownError, ThrottledError
from iot_jitr_runtime.ca_registration.lifecycle import CaLifecycle, Former
from iot_jitr_runtime.ca_registration.ownership import Owner
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaProperties, OnDelete
from iot_jitr_runtime.ca_registration.registry import CaRegistry
from iot_jitr_runtime.ca_registration.signers import signer_for
from iot_jitr_runtime.ca_registration.sources import KmsSource, PrivateCaSource, SecretSource
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from tests.support.ca_builder import CaSpec, pem_of
from tests.support.ca_keys import make_kms_key, make_private_ca
from tests.support.ca_registry import CaRegistryEmulation, ca_account
from tests.support.faults import Crash, Fault, injected, stepped

SPEC = CaSpec()
CA = SPEC.build()
NEXT_SPEC = CaSpec("Next CA", key=SPEC.key)
NEXT_CA = NEXT_SPEC.build()
PROPERTIES = CaProperties(
    "fleet/Ca", CA.pem, SecretSource("ca-key"), on_delete=OnDelete.DELETE, tags={"a": "1"}
)
SERVICES = ("secretsmanager", "kms", "acm-pca", "iot")
ONE_TRY = Config(retries={"total_max_attempts": 1})
FAILURES = [fault for fault in Fault if not fault.name.startswith("CRASH")]


@dataclass
class World:
    """One account with the clients that the function uses."""

    registry: CaRegistryEmulation
    clients: dict[str, Any]
    kms_properties: CaProperties
    private_ca_properties: CaProperties
    owner: Owner = Owner("fleet", "fleet/Ca")  # noqa: RUF009 -- frozen

    def create(self, properties: CaProperties = PROPERTIES) -> CaCertificateId:
        return self.lifecycle.create(properties, self.signer(properties)).ca_id

    def update(self, ca_id: CaCertificateId, properties: CaProperties) -> CaCertificateId:
        former = Former(self.owner, PROPERTIES.tags.keys())
        return self.lifecycle.update(ca_id, properties, self.signer(properties), former).ca_id

    def delete(self, ca_id: CaCertificateId, properties: CaProperties = PROPERTIES) -> None:
        self.lifecycle.delete(ca_id, properties)

    @property
    def lifecycle(self) -> CaLifecycle:
        return CaLifecycle(CaRegistry(self.clients["iot"]), self.owner)

    def signer(self, properties: CaProperties) -> Any:
        return signer_for(properties.source, self.clients.__getitem__)


@contextmanager
def account_with_key() -> Iterator[World]:
    with ca_account() as account:
        clients = {
            name: account.session.client(name, config=ONE_TRY)  # type: ignore[call-overload]
            for name in SERVICES
        }
        clients["secretsmanager"].create_secret(Name="ca-key", SecretString=pem_of(SPEC.key))
        kms_arn, kms_key = make_kms_key(clients["kms"], "ECC_NIST_P256")
        private_ca_arn, _ = make_private_ca(clients["acm-pca"])
        yield World(
            account.registry,
            clients,
            replace(PROPERTIES, certificate_pem=CaSpec(key=kms_key).build().pem, source=KmsSource(kms_arn)),
            replace(PROPERTIES, certificate_pem=None, source=PrivateCaSource(private_ca_arn)),
        )


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with account_with_key() as world:
        yield world


@pytest.fixture
def world(shared: World) -> World:
    """The one account of this module, emptied."""
    shared.registry.clear()
    return shared


@dataclass(frozen=True)
class Step:
    """A step, what comes before it, and what it does."""

    name: str
    arrange: Callable[[World], Any]
    act: Callable[[World, Any], Any]

    def __str__(self) -> str:
        return self.name


def nothing(_: World) -> None:
    pass


def registered_by_somebody(world: World) -> str:
    ca_id = world.registry.add(CA)
    world.registry.tags[world.registry.cas[ca_id]["certificateArn"]] = {
        "a": "theirs",
        "b": "theirs",
        # What CloudFormation puts on a CA, and nobody else may.
        "aws:cloudformation:stack-name": "theirs",
    }
    return ca_id


def kept_by_us(world: World) -> None:
    ca_id = world.create(replace(PROPERTIES, on_delete=OnDelete.DEACTIVATE))
    world.delete(ca_id, replace(PROPERTIES, on_delete=OnDelete.DEACTIVATE))


def adopted(world: World) -> CaCertificateId:
    registered_by_somebody(world)
    return world.create()


CREATE = Step("create", nothing, lambda world, _: world.create())
CREATE_WITH_KMS = Step("create with KMS", nothing, lambda world, _: world.create(world.kms_properties))
CREATE_WITH_PRIVATE_CA = Step(
    "create with a Private CA", nothing, lambda world, _: world.create(world.private_ca_properties)
)
ADOPT = Step("adopt", registered_by_somebody, lambda world, _: world.create())
TAKE_UP = Step("take up", kept_by_us, lambda world, _: world.create())
UPDATE = Step(
    "update",
    World.create,
    lambda world, ca_id: world.update(
        ca_id, replace(PROPERTIES, auto_registration=AutoRegistration.DISABLE, tags={"c": "3"})
    ),
)
REPLACE = Step(
    "replace",
    World.create,
    lambda world, ca_id: world.update(ca_id, replace(PROPERTIES, certificate_pem=NEXT_CA.pem)),
)
DELETES = [
    Step(
        f"delete, {on_delete}",
        World.create,
        lambda world, ca_id, on_delete=on_delete: world.delete(
            ca_id, replace(PROPERTIES, on_delete=on_delete)
        ),
    )
    for on_delete in OnDelete
]
GIVE_BACK = Step("give back", adopted, World.delete)

OTHER_SIGNERS = [CREATE_WITH_KMS, CREATE_WITH_PRIVATE_CA]
CHANGES = [CREATE, ADOPT, TAKE_UP, UPDATE, REPLACE]
ALL = [*CHANGES, *DELETES, GIVE_BACK]


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


def test_the_steps_make_the_calls_they_are_known_for() -> None:
    assert [name for _, name, _ in calls_of(CREATE)] == [
        "GetSecretValue",
        "GetRegistrationCode",
        "RegisterCACertificate",
    ]
    assert {name for _, name, _ in calls_of(ADOPT)} >= {"TagResource", "UpdateCACertificate"}


@pytest.mark.parametrize(("step", "call", "fault"), cases([*CHANGES, *OTHER_SIGNERS], FAILURES))
def test_a_failed_step_leaves_everything_as_it_was(
    world: World, step: Step, call: tuple[str, str, int], fault: Fault
) -> None:
    service, operation, at_call = call
    before = step.arrange(world)
    state = world.registry.snapshot()

    with injected(world.clients[service], operation, fault, at_call=at_call) as struck:
        try:
            step.act(world, before)
        except JitrError:
            assert world.registry.snapshot() == state
        else:
            if operation == "RegisterCACertificate":
                # An answer that was lost: the CA is found, and the step goes on from there.
                assert fault in {Fault.SERVER_ERROR, Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER}
            else:
                # What is ours already needs no proof.
                assert step is TAKE_UP
                assert operation in {"GetSecretValue", "GetRegistrationCode"}
    assert struck() == 1


@pytest.mark.parametrize(("step", "call", "fault"), cases(ALL, list(Fault)))
def test_a_repeated_step_ends_as_if_nothing_had_failed(
    world: World, step: Step, call: tuple[str, str, int], fault: Fault
) -> None:
    service, operation, at_call = call
    step.act(world, step.arrange(world))
    without_fault = world.registry.snapshot()
    world.registry.clear()
    before = step.arrange(world)

    with injected(world.clients[service], operation, fault, at_call=at_call), suppress(JitrError, Crash):
        step.act(world, before)
    step.act(world, before)

    assert world.registry.snapshot() == without_fault


def test_a_step_back_that_fails_hides_neither_the_first_failure_nor_the_other_steps(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    ca_id = registered_by_somebody(world)
    tags = dict(world.registry.tags_of(ca_id))
    iot = world.clients["iot"]

    with (
        injected(iot, "UpdateCACertificate", Fault.TIMEOUT_AFTER),
        injected(iot, "UpdateCACertificate", Fault.THROTTLE, at_call=2),
        pytest.raises(OutcomeUnknownError, match="UpdateCACertificate"),
    ):
        world.create()

    assert world.registry.tags_of(ca_id) == tags
    assert "could not undo a change of the CA certificate: UpdateCACertificate" in caplog.text


def test_a_ca_without_tags_has_none_after_a_failure(world: World) -> None:
    world.registry.add(CA)
    state = world.registry.snapshot()

    with injected(world.clients["iot"], "UpdateCACertificate", Fault.THROTTLE), pytest.raises(ThrottledError):
        world.create()

    assert world.registry.snapshot() == state
