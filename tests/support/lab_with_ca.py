"""A lab without a deployment, in which a CA is registered, and devices of that CA."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from iot_jitr_cli.chain.parsing import parse_chain
from iot_jitr_cli.connect import Credentials
from iot_jitr_cli.lab.lab import Lab
from iot_jitr_cli.pki import DevelopmentCa, DeviceIdentity, DeviceSpec
from iot_jitr_runtime.ca_registration.verification import make_verification_certificate

CA = DevelopmentCa.create("Lab CA")
_POLICY = "devices"
_ALLOW_ALL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}],
}


@contextmanager
def lab_with_ca(folder: Path) -> Iterator[Lab]:
    """Start a local cloud in which `CA` is registered, with auto-registration."""
    with Lab.start(folder / "lab") as running:
        iot = running.client("iot")
        code = iot.get_registration_code()["registrationCode"]
        iot.register_ca_certificate(
            caCertificate=CA.certificate.pem,
            verificationCertificate=make_verification_certificate(
                CA.certificate, CA.key, code, validity=timedelta(hours=1)
            ),
            setAsActive=True,
            allowAutoRegistration=True,
        )
        iot.create_policy(policyName=_POLICY, policyDocument=json.dumps(_ALLOW_ALL))
        yield running


def active_device(lab: Lab) -> DeviceIdentity:
    """A new device whose certificate is registered and ACTIVE, with a policy that allows everything."""
    identity = CA.issue(DeviceSpec(f"device-{uuid4()}"))
    iot = lab.client("iot")
    arn = iot.register_certificate(
        certificatePem=identity.certificate.pem, caCertificatePem=CA.certificate.pem, status="ACTIVE"
    )["certificateArn"]
    iot.attach_policy(policyName=_POLICY, target=arn)
    return identity


def registered(lab: Lab) -> set[str]:
    """Ids of all certificates that AWS IoT has."""
    pages = lab.client("iot").get_paginator("list_certificates").paginate()
    return {each["certificateId"] for page in pages for each in page["certificates"]}


def credentials(identity: DeviceIdentity, pem: str | None = None) -> Credentials:
    """What the device presents; `pem` instead of its chain file."""
    return Credentials(parse_chain((pem or identity.chain_pem).encode(), identity.key), identity.key)
