"""The connect guard on the local cloud: real handshakes, the deployed function, IAM enforced."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from iot_jitr_cli.chain.parsing import parse_chain
from iot_jitr_cli.connect import Backoff, Cause, ConnectResult, Credentials, Device, Ending, Endpoint, connect
from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.revocation_list import HOLD
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime import environment
from iot_jitr_runtime.connect_guard.guard import ConnectFinding
from iot_jitr_runtime.stack_outputs import Output
from tests.support.cloud import TIME_LIMIT, Cloud, deployed_cloud
from tests.support.crl_upload import REFRESH, CrlUpload
from tests.support.doctor_cloud_faults import function_stopped, function_with
from tests.support.verify_command import ca_files, not_passed, verify_with_least_permissions

ONCE = Backoff(2 * TIME_LIMIT, 2 * TIME_LIMIT)
"""No second attempt begins within the time-out."""
TLS = {Cause.CERTIFICATE_REJECTED, Cause.CLOSED_IN_HANDSHAKE}
NOWHERE = "http://127.0.0.1:9"


class GuardedCloud(CrlUpload):
    """The cloud of a CA that publishes CRLs, with a guarded domain beside the account's own endpoint."""

    @property
    def guarded(self) -> Endpoint:
        lab = self.cloud.lab
        name = lab.guarded_domain
        assert name is not None
        return lab.broker(name)

    @property
    def unguarded(self) -> Endpoint:
        return replace(self.guarded, server_name=None)

    def connect(
        self, identity: DeviceIdentity | Credentials, endpoint: Endpoint | None = None, client_id: str = ""
    ) -> ConnectResult:
        """Connect once, by default to the guarded domain."""
        is_ours = isinstance(identity, DeviceIdentity)
        credentials = self.cloud.credentials(identity) if is_ours else identity
        name = client_id or credentials.common_name
        at = endpoint or self.guarded
        return connect(Device(credentials, at, name, timeout=TIME_LIMIT, backoff=ONCE))

    def is_admitted(self, identity: DeviceIdentity | Credentials, **options: Any) -> bool:
        return self.connect(identity, **options).ending is Ending.PUBLISHED

    def admit(self, common_name: str) -> DeviceIdentity:
        """Make a device and wait until it has published at the guarded domain."""
        identity = self.cloud.ca.issue(DeviceSpec(common_name))
        assert self.cloud.connect(identity, endpoint=self.guarded).ending is Ending.PUBLISHED
        return identity

    def status(self, identity: DeviceIdentity) -> str:
        return self.cloud.status(identity.certificate.fingerprint)

    def findings(self, identity: DeviceIdentity) -> list[str]:
        """The lines of the guard's log about a certificate."""
        found = self.cloud.client("logs").filter_log_events(
            logGroupName=self.cloud.outputs[Output.CONNECT_GUARD_LOG_GROUP]
        )
        lines = [line for event in found["events"] for line in event["message"].splitlines()]
        ours = [json.loads(line) for line in lines if identity.certificate.fingerprint in line]
        return [line["finding"] for line in ours]

    def sweep_off(self) -> AbstractContextManager[None]:
        """Let the sweep do nothing, as one that has not reached these devices yet."""
        return function_stopped(self.cloud, Output.SWEEP_FUNCTION)

    def told(self, on_unknown: str = "refuse", **variables: str) -> AbstractContextManager[None]:
        """Run the guard as a deployment with other settings would."""

        def changed(before: dict[str, str]) -> dict[str, str]:
            settings = json.loads(before[environment.CONNECT_GUARD]) | {"on_unknown": on_unknown}
            return {**before, environment.CONNECT_GUARD: json.dumps(settings), **variables}

        return function_with(self.cloud, changed, Output.CONNECT_GUARD_FUNCTION)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedCloud]:
    settings = {
        "connect_guard": {"on_unknown": "refuse"},
        "revocation": {"refresh": f"{REFRESH.seconds} seconds"},
    }
    folder: Path = tmp_path_factory.mktemp("guarded")
    with deployed_cloud(folder, settings, revocation={"type": "bucket"}) as cloud:
        made = GuardedCloud(cloud)
        # Before the first CRL: the publisher keeps the CA's certificate, and there is no index.
        cloud.invoke(cloud.outputs[Output.CRL_PUBLISHER_FUNCTION], b'{"trigger": "schedule"}')
        newcomer = cloud.ca.issue(DeviceSpec("before-the-first-crl"))
        assert not made.is_admitted(newcomer)
        # Refused in the TLS layer: no CONNECT, so not registered.
        assert not cloud.is_registered(newcomer.certificate.fingerprint)
        assert made.findings(newcomer) == [ConnectFinding.UNKNOWN] * len(made.findings(newcomer)) != []
        assert made.is_admitted(stranger(cloud), client_id="stranger")
        made.publish()
        yield made


def stranger(cloud: Cloud) -> Credentials:
    """An active device whose certificate AWS IoT has made: of none of our CAs."""
    iot = cloud.client("iot")
    made = iot.create_keys_and_certificate(setAsActive=True)
    name = f"for-strangers-{made['certificateId'][:8]}"
    statement = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
    iot.create_policy(
        policyName=name, policyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    iot.attach_policy(policyName=name, target=made["certificateArn"])
    key: Any = load_pem_private_key(made["keyPair"]["PrivateKey"].encode(), None)
    return Credentials(parse_chain(made["certificatePem"].encode(), key), key)


def test_a_new_device_is_admitted_at_the_guarded_domain(guarded: GuardedCloud) -> None:
    identity = guarded.admit("at-the-guarded-domain")

    assert guarded.status(identity) == "ACTIVE"
    assert guarded.is_admitted(identity)
    assert guarded.findings(identity) == []


def test_a_listed_device_is_refused_at_its_handshake_while_the_sweep_has_not_reached_it(
    guarded: GuardedCloud,
) -> None:
    stolen, held, other = (guarded.admit(name) for name in ("stolen", "borrowed", "still-there"))
    with guarded.sweep_off():
        guarded.revoke(stolen)
        guarded.revoke(held, reason=HOLD)
        guarded.publish()

        refused = guarded.connect(stolen)

        assert refused.ending is not Ending.PUBLISHED
        assert {event.cause for event in refused.events} & TLS, refused
        assert not guarded.is_admitted(held)
        assert guarded.is_admitted(other)
        assert (guarded.status(stolen), guarded.status(held)) == ("ACTIVE", "ACTIVE")
        assert set(guarded.findings(stolen)) == set(guarded.findings(held)) == {ConnectFinding.REVOKED}
        # What happens without the guard, at the same moment.
        assert guarded.is_admitted(stolen, endpoint=guarded.unguarded)
    guarded.revocations.release(held.certificate.x509.serial_number)
    guarded.publish()
    assert wait_until(lambda: guarded.is_admitted(held), limit=TIME_LIMIT, interval=1.0)


def test_a_listed_device_is_refused_before_its_registration_and_after_it(guarded: GuardedCloud) -> None:
    never, once = (guarded.cloud.ca.issue(DeviceSpec(name)) for name in ("never-connected", "connected-once"))
    with guarded.sweep_off():
        assert not guarded.is_admitted(once)
        assert guarded.cloud.is_registered(once.certificate.fingerprint)
        guarded.revoke(never, once)
        guarded.publish()

        assert not guarded.is_admitted(never)
        assert not guarded.is_admitted(once)

        assert not guarded.cloud.is_registered(never.certificate.fingerprint)
        assert set(guarded.findings(once)) == set(guarded.findings(never)) == {ConnectFinding.REVOKED}


def test_a_device_of_another_ca_is_admitted(guarded: GuardedCloud) -> None:
    assert guarded.is_admitted(stranger(guarded.cloud), client_id="another-stranger")


@pytest.mark.parametrize(("on_unknown", "admitted"), [("admit", True), ("refuse", False)])
def test_with_a_stale_list_the_configuration_decides_and_listed_devices_are_refused(
    guarded: GuardedCloud, on_unknown: str, *, admitted: bool
) -> None:
    good, listed = (guarded.admit(f"{name}-{on_unknown}") for name in ("good", "listed"))
    with guarded.sweep_off(), guarded.told(on_unknown):
        guarded.revoke(listed)
        guarded.publish_stale()

        assert guarded.is_admitted(good) is admitted
        assert not guarded.is_admitted(listed)
        assert set(guarded.findings(good)) == {ConnectFinding.UNKNOWN}
        guarded.publish()
        assert guarded.is_admitted(good)


@pytest.mark.parametrize(("on_unknown", "admitted"), [("admit", True), ("refuse", False)])
def test_without_s3_the_configuration_decides(
    guarded: GuardedCloud, on_unknown: str, *, admitted: bool
) -> None:
    good = guarded.admit(f"without-s3-{on_unknown}")

    with guarded.told(on_unknown, AWS_ENDPOINT_URL_S3=NOWHERE):
        assert guarded.is_admitted(good) is admitted
    assert guarded.is_admitted(good)


def test_a_guard_that_cannot_run_refuses(guarded: GuardedCloud) -> None:
    good = guarded.admit("without-a-guard")

    with guarded.told("neither"):
        assert not guarded.is_admitted(good)
    assert guarded.is_admitted(good)


def test_it_calls_s3_and_nothing_else_and_its_role_may_do_nothing_else(guarded: GuardedCloud) -> None:
    calls = guarded.cloud.calls_by_handler()[environment.CONNECT_GUARD_HANDLER]
    assert {(service, operation.split(" ")[0]) for service, operation in calls} == {("s3", "GET")}

    functions, iam = guarded.cloud.client("lambda"), guarded.cloud.client("iam")
    function = functions.get_function_configuration(
        FunctionName=guarded.cloud.outputs[Output.CONNECT_GUARD_FUNCTION]
    )
    role = function["Role"].rpartition("/")[2]
    policies = [
        iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    actions = {
        action
        for policy in policies
        for statement in policy["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert actions == {"logs:CreateLogStream", "logs:PutLogEvents", "s3:GetObject", "s3:ListBucket"}
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []


def test_verify_accepts_it_with_the_least_permissions(guarded: GuardedCloud, tmp_path: Path) -> None:
    code, report = verify_with_least_permissions(
        guarded.cloud, *ca_files(guarded.cloud, tmp_path), "--publish-crl", "--timeout", TIME_LIMIT
    )
    guarded.revocations.number += 1

    assert not_passed(report) == {"allow_list": "skipped"}, report
    assert code == ExitCode.OK
