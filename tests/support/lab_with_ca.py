"""A lab without a deployment, in which a CA is registered."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from iot_jitr_cli.lab.lab import Lab
from iot_jitr_cli.lab.process import this_process
from iot_jitr_cli.pki import DevelopmentCa
from iot_jitr_runtime.ca_registration.verification import make_verification_certificate

POLICY = "devices"
"""The name of an AWS IoT policy that allows everything."""
_ALLOW_ALL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}],
}


@contextmanager
def lab_with_ca(folder: Path, ca: DevelopmentCa) -> Iterator[Lab]:
    """Start a local cloud in which the CA is registered, with auto-registration, and a policy is there."""
    with Lab.start(folder / "lab", owner=this_process()) as running:
        iot = running.client("iot")
        code = iot.get_registration_code()["registrationCode"]
        iot.register_ca_certificate(
            caCertificate=ca.certificate.pem,
            verificationCertificate=make_verification_certificate(
                ca.certificate, ca.key, code, validity=timedelta(hours=1)
            ),
            setAsActive=True,
            allowAutoRegistration=True,
        )
        iot.create_policy(policyName=POLICY, policyDocument=json.dumps(_ALLOW_ALL))
        yield running
