"""A function's environment becomes the parts of an activation."""

import json
from datetime import timedelta
from typing import Any

import pytest

from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.build import (
    admission_timeout,
    build_admission,
    build_policy,
    build_revocation,
    build_things,
    build_validation,
)
from iot_jitr_runtime.admission.allow_list import AllowList
from iot_jitr_runtime.admission.function import AdmissionFunction
from iot_jitr_runtime.admission.keys import KeyKind
from iot_jitr_runtime.ledger import Ledger
from iot_jitr_runtime.policy.attachment import PerDevicePolicy, SharedPolicy
from iot_jitr_runtime.things.registration import Things
from iot_jitr_runtime.things.settings import ThingSettings

FUNCTION = {"kind": "function", "function": "arn:is-it-ours", "timeout_seconds": 3}
SHARED = {"kind": "shared", "name": "fleet", "needs_common_name": True}
WITH_CRL, WITHOUT_CRL = {"revocation": "crl"}, {"revocation": "none"}
CLIENT: Any = object()


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


def env(**settings: Any) -> dict[str, str]:
    """A function's environment: settings by the names of the constants in `environment`."""
    return {
        getattr(environment, name): value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }


def test_every_device_is_admitted_without_an_admission_setting() -> None:
    assert build_admission({}, CLIENT) is None


def test_an_allow_list_reads_its_table_by_its_key() -> None:
    configured = env(ADMISSION={"kind": "allow_list", "table": "expected", "key": "common_name"})

    assert build_admission(configured, CLIENT) == AllowList(CLIENT, "expected", KeyKind.COMMON_NAME)


def test_the_admission_function_is_called_once_with_the_configured_timeout() -> None:
    admission = build_admission(env(ADMISSION=FUNCTION), CLIENT)

    assert isinstance(admission, AdmissionFunction)
    assert admission.function == "arn:is-it-ours"
    config = admission.lambda_.meta.config
    assert config.read_timeout == 3
    assert config.retries == {"total_max_attempts": 1, "mode": "legacy"}


@pytest.mark.parametrize(("admission", "seconds"), [(None, 0), ({"kind": "allow_list"}, 0), (FUNCTION, 3)])
def test_the_admission_timeout_is_that_of_the_function_if_there_is_one(admission: Any, seconds: int) -> None:
    assert admission_timeout(env(ADMISSION=admission)) == timedelta(seconds=seconds)


def test_things_are_registered_where_configured() -> None:
    thing = {"thing": {}, "lease_seconds": 35}

    ledger = Ledger(CLIENT, "ledger")
    things = build_things(env(THINGS=thing), CLIENT, ledger)

    assert isinstance(things, Things)
    assert things.settings == ThingSettings()
    assert things.lease_lasts == timedelta(seconds=35)
    assert things.ledger is ledger
    assert build_things(env(), CLIENT, ledger) is None


def test_the_policy_is_shared_or_each_devices_own() -> None:
    own = {"kind": "per_device", "prefix": "jitr-", "template": {}, "needs_common_name": False}

    assert build_policy(env(DEVICE_POLICY=SHARED), CLIENT) == SharedPolicy(CLIENT, "fleet")
    assert build_policy(env(DEVICE_POLICY=own), CLIENT) == PerDevicePolicy(CLIENT, "jitr-", {})


def test_the_validation_has_the_settings_of_each_ca() -> None:
    cas = {"a": WITHOUT_CRL | {"accept_ca_certificates_as_devices": True}, "b": WITHOUT_CRL}

    validation = build_validation(env(CAS=cas, DEVICE_POLICY=SHARED), CLIENT, CLIENT, None)

    assert (validation.ca_devices, validation.needs_common_name) == ({"a"}, True)


def test_the_cas_that_have_a_crl_are_checked() -> None:
    cas = {"a": WITH_CRL, "b": WITHOUT_CRL}
    configured = env(CAS=cas, REVOCATION_BUCKET="revocation", REVOCATION_REFRESH_SECONDS="5")

    check = build_revocation(configured)

    assert check is not None
    assert (check.without_crl, check.store.bucket) == ({"b"}, "revocation")
    assert check.refresh == timedelta(seconds=5)
    assert check.store.s3.meta.config.user_agent_extra == "iot-jitr"


def test_without_a_ca_with_a_crl_there_is_no_revocation_check() -> None:
    assert build_revocation(env(CAS={"b": WITHOUT_CRL})) is None


def test_without_a_bucket_the_settings_are_an_error() -> None:
    with pytest.raises(KeyError, match="JITR_REVOCATION_BUCKET"):
        build_revocation(env(CAS={"a": WITH_CRL, "b": WITHOUT_CRL}))
