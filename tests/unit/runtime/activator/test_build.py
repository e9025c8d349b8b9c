"""The activator's settings become the parts of an activation."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.activator.build import admission_timeout, build_admission, build_policy, build_things
from iot_jitr_runtime.activator.interfaces import AdmitAll, NoThings
from iot_jitr_runtime.admission.allow_list import AllowList
from iot_jitr_runtime.admission.function import AdmissionFunction
from iot_jitr_runtime.admission.keys import KeyKind
from iot_jitr_runtime.policy.attachment import SharedPolicy
from iot_jitr_runtime.policy.own_policy import PerDevicePolicy
from iot_jitr_runtime.things.registration import Things
from iot_jitr_runtime.things.settings import ThingSettings

if TYPE_CHECKING:
    import pytest

FUNCTION: dict[str, Any] = {"kind": "function", "function": "arn:is-it-ours", "timeout_seconds": 3}
CLIENT: Any = object()


def test_every_device_is_admitted_without_an_admission_setting() -> None:
    assert isinstance(build_admission(None, CLIENT), AdmitAll)


def test_an_allow_list_reads_its_table_by_its_key() -> None:
    configured = {"kind": "allow_list", "table": "expected", "key": "common_name"}

    assert build_admission(configured, CLIENT) == AllowList(CLIENT, "expected", KeyKind.COMMON_NAME)


def test_the_admission_function_is_called_once_with_the_configured_timeout(
    monkeypatch: "pytest.MonkeyPatch",
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    admission = build_admission(FUNCTION, CLIENT)

    assert isinstance(admission, AdmissionFunction)
    assert admission.function == "arn:is-it-ours"
    config = admission.lambda_.meta.config
    assert config.read_timeout == 3
    assert config.retries == {"total_max_attempts": 1, "mode": "legacy"}


def test_the_admission_timeout_is_that_of_the_function_if_there_is_one() -> None:
    assert admission_timeout(None) == timedelta(0)
    assert admission_timeout({"kind": "allow_list"}) == timedelta(0)
    assert admission_timeout(FUNCTION) == timedelta(seconds=3)


def test_things_are_registered_where_configured() -> None:
    configured = {"thing": ThingSettings().to_json(), "lease_seconds": 35}

    things = build_things(configured, CLIENT, CLIENT, "ledger")

    assert isinstance(things, Things)
    assert things.settings == ThingSettings()
    assert things.lease_lasts == timedelta(seconds=35)
    assert (things.leases.table, things.tasks.table) == ("ledger", "ledger")
    assert isinstance(build_things(None, CLIENT, CLIENT, "ledger"), NoThings)


def test_the_policy_is_shared_or_each_devices_own() -> None:
    shared = {"kind": "shared", "name": "fleet", "needs_common_name": True}
    own = {"kind": "per_device", "prefix": "jitr-", "template": {}, "needs_common_name": False}

    assert build_policy(shared, CLIENT) == SharedPolicy(CLIENT, name="fleet", needs_common_name=True)
    assert build_policy(own, CLIENT) == PerDevicePolicy(
        CLIENT, prefix="jitr-", template={}, needs_common_name=False
    )
