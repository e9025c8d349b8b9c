"""The client certificate callback on the lab's own MiniStack: real handshakes, real functions."""

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from iot_jitr_cli.connect import Backoff, ConnectResult, Device, Ending, connect
from iot_jitr_cli.connect.endpoint import domain_name
from iot_jitr_cli.lab.lab import MQTT_HOST, Lab
from iot_jitr_cli.lab.ministack import ACCOUNT, REGION
from iot_jitr_cli.pki import DeviceIdentity, DeviceSpec
from tests.support.lab_with_ca import CA, active_device, credentials, registered
from tests.support.limits import LONGEST_WAIT

pytestmark = pytest.mark.timing

FUNCTION = """
import json
def handle(event, context):
    print("EVENT " + json.dumps(event))
    {body}
"""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    ],
}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/callback"


@pytest.fixture(scope="module", autouse=True)
def _role(lab: Lab) -> None:
    lab.client("iam").create_role(
        RoleName=ROLE.rpartition("/")[2], AssumeRolePolicyDocument=json.dumps(TRUST)
    )


@dataclass(frozen=True)
class Callback:
    """A function with a domain configuration that names it."""

    lab: Lab
    name: str
    """Name of the function and of the domain configuration."""

    @property
    def domain(self) -> str:
        """The domain's name, which a client sends."""
        return domain_name(self.lab.client("iot"), self.name)

    def connect(self, identity: DeviceIdentity, server_name: str | None = None) -> ConnectResult:
        """Connect once."""
        device = Device(
            credentials(identity),
            self.lab.broker(server_name or self.domain),
            identity.certificate.common_names[0],
            timeout=LONGEST_WAIT,
            # No second attempt begins within the time-out.
            backoff=Backoff(2 * LONGEST_WAIT, 2 * LONGEST_WAIT),
        )
        return connect(device)

    def events(self) -> list[Any]:
        """The events that the function received, from its log."""
        found = self.lab.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{self.name}")
        lines = [line for event in found["events"] for line in event["message"].splitlines()]
        return [json.loads(line.partition("EVENT ")[2]) for line in lines if "EVENT " in line]


def callback(lab: Lab, body: str, *, permitted: bool = True, **configuration: Any) -> Callback:
    """Create both."""
    name = f"callback-{uuid4().hex[:8]}"
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", FUNCTION.format(body=body))
    functions = lab.client("lambda")
    arn = functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="index.handle",
        Role=ROLE,
        Code={"ZipFile": code.getvalue()},
        Timeout=2,
    )["FunctionArn"]
    if permitted:
        functions.add_permission(
            FunctionName=name,
            StatementId="iot",
            Action="lambda:InvokeFunction",
            Principal="iot.amazonaws.com",
            SourceAccount=ACCOUNT,
            SourceArn=f"arn:aws:iot:{REGION}:{ACCOUNT}:domainconfiguration/*",
        )
    settings = {"authenticationType": "AWS_X509", "applicationProtocol": "SECURE_MQTT"} | configuration
    lab.client("iot").create_domain_configuration(
        domainConfigurationName=name,
        clientCertificateConfig={"clientCertificateCallbackArn": arn},
        **settings,
    )
    return Callback(lab, name)


ADMIT = 'return {"isAuthenticated": True}'


def test_the_function_receives_the_documented_event_and_admits_the_device(lab: Lab) -> None:
    made = callback(lab, ADMIT)
    identity = active_device(lab)

    assert made.connect(identity).ending is Ending.PUBLISHED

    [event] = made.events()
    assert set(event) == {"connectionMetadata", "principalId", "serverName", "clientCertificateChain"}
    assert event["principalId"] == identity.certificate.fingerprint
    assert event["serverName"] == made.domain
    assert event["connectionMetadata"]["id"]
    assert [each.replace("\n", "") for each in event["clientCertificateChain"]] == [
        each.pem.replace("\n", "") for each in (identity.certificate, CA.certificate)
    ]


@pytest.mark.parametrize(
    "body",
    [
        'return {"isAuthenticated": False}',
        'return {"isAuthenticated": "true"}',
        "return {}",
        "return True",
        "return None",
        'raise ValueError("a defect")',
        "import time; time.sleep(60)",
    ],
)
def test_any_result_except_true_refuses_an_active_device(lab: Lab, body: str) -> None:
    made = callback(lab, body)

    assert made.connect(active_device(lab)).ending is not Ending.PUBLISHED


def test_a_function_that_aws_iot_may_not_invoke_refuses(lab: Lab) -> None:
    made = callback(lab, ADMIT, permitted=False)

    assert made.connect(active_device(lab)).ending is not Ending.PUBLISHED
    lab.client("lambda").delete_function(FunctionName=made.name)
    assert made.connect(active_device(lab)).ending is not Ending.PUBLISHED


def test_the_endpoint_of_the_account_does_not_invoke_the_function(lab: Lab) -> None:
    made = callback(lab, 'return {"isAuthenticated": False}')

    assert made.connect(active_device(lab), MQTT_HOST).ending is Ending.PUBLISHED


def test_a_refused_device_is_not_registered_and_an_admitted_one_is(lab: Lab) -> None:
    """The callback comes before the registration, which a CONNECT to a domain configuration causes, too."""
    refused, admitted = (CA.issue(DeviceSpec(f"new-{each}-{uuid4().hex[:8]}")) for each in range(2))

    callback(lab, 'return {"isAuthenticated": False}').connect(refused)
    callback(lab, ADMIT).connect(admitted)

    found = registered(lab)
    assert refused.certificate.fingerprint not in found
    assert admitted.certificate.fingerprint in found
