"""A local cloud with a stack that has CAs with every signer, and the function that registers them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore.config import Config

from iot_jitr_cli.ca.offline import sign_verification
from iot_jitr_cli.lab.lab import Lab
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.keys import KeyKind
from iot_jitr_runtime.ca_registration.properties import CaProperties
from tests.support.ca_builder import CaSpec, make_kms_key, pem_of
from tests.support.ca_resource import CaResource, sni_only
from tests.support.cloud import Cloud

PASSPHRASE = "correct-horse-battery-staple"
Configuration = dict[str, Any]


class FunctionFailedError(Exception):
    """The function raised; the message is the reason for CloudFormation."""


@dataclass
class CaCloud:
    """The lab, and the CAs by name, each with its configuration."""

    lab: Lab
    folder: Path
    authorities: dict[str, DevelopmentCa] = field(default_factory=dict)
    configurations: dict[str, Configuration] = field(default_factory=dict)
    private_keys: list[Any] = field(default_factory=list)
    """Every private key that could have leaked."""

    # clients

    @cached_property
    def iot(self) -> Any:
        return self.lab.client("iot")

    def devices_of(self, name: str) -> Cloud:
        """The cloud of the devices of one CA."""
        return Cloud(self.lab, self.authorities[name], self.folder / f"devices of {name}")

    # CAs

    def add_ca(self, name: str, ca: DevelopmentCa, **settings: Any) -> None:
        """Add a CA and its configuration."""
        certificate = self.folder / f"{name}.pem"
        certificate.write_text(ca.certificate.pem)
        self.authorities[name] = ca
        self.configurations[name] = {
            "name": name,
            "certificate": str(certificate),
            "revocation": "none",
            **settings,
        }

    def with_secret(self, name: str, **settings: Any) -> None:
        """A CA whose key is in Secrets Manager, encrypted, its passphrase beside it."""
        ca = DevelopmentCa.create(f"{name} CA")
        self.private_keys.append(ca.key)
        secret = {"privateKey": pem_of(ca.key, PASSPHRASE), "passphrase": PASSPHRASE}
        self.lab.put_secret(f"{name}/ca-key", json.dumps(secret))
        self.add_ca(name, ca, signer={"type": "secret", "secret": f"{name}/ca-key"}, **settings)

    def with_kms(self, name: str) -> None:
        """A CA whose key was created in KMS."""
        arn, key = make_kms_key(self.lab.client("kms"), "ECC_NIST_P256")
        certificate = CaSpec(f"{name} CA", key=key).build()
        self.add_ca(name, DevelopmentCa(certificate, key), signer={"type": "kms", "key": arn})

    def with_offline_key(self, name: str) -> None:
        """A CA with an offline key, whose verification certificate was made in the two documented steps."""
        ca = DevelopmentCa.create(f"{name} CA", KeyKind.RSA_2048)
        self.private_keys.append(ca.key)
        certificate, key = ca.save(self.folder / f"offline {name}")
        verification = self.folder / f"{name} verification.pem"
        code = self.iot.get_registration_code()["registrationCode"]
        verification.write_text(
            sign_verification(
                code, certificate, key, validity=timedelta(days=1), ask_passphrase=lambda: PASSPHRASE
            )
        )
        signer = {"type": "presigned", "verification_certificate": str(verification)}
        self.add_ca(name, ca, signer=signer)

    def with_sni_only(self, name: str, **settings: Any) -> None:
        """A CA without proof of possession."""
        self.add_ca(name, DevelopmentCa.create(f"{name} CA"), mode="SNI_ONLY", **settings)
        self.private_keys.append(self.authorities[name].key)

    def with_registered(self, name: str, **settings: Any) -> None:
        """A CA that another owner has registered, without auto-registration."""
        self.with_sni_only(name, **settings)
        self.iot.register_ca_certificate(
            caCertificate=self.authorities[name].certificate.pem,
            certificateMode="SNI_ONLY",
            setAsActive=True,
            tags=[{"Key": "owner", "Value": "another"}],
        )

    def deploy(self, *names: str, **changes: Configuration) -> None:
        """Deploy the stack with the CAs of these names, some of them with changed settings."""
        cas = [{**self.configurations[name], **changes.get(name, {})} for name in names]
        self.lab.deploy({"cas": cas})

    # the state in AWS IoT

    def ca_id(self, name: str) -> str:
        """The id the CA has in AWS IoT."""
        registered = {
            self.iot.describe_ca_certificate(certificateId=each["certificateId"])["certificateDescription"][
                "certificatePem"
            ].strip(): str(each["certificateId"])
            for each in self.iot.list_ca_certificates()["certificates"]
        }
        return registered[self.authorities[name].certificate.pem.strip()]

    def is_there(self, ca_id: str) -> bool:
        return ca_id in {each["certificateId"] for each in self.iot.list_ca_certificates()["certificates"]}

    def state(self, ca_id: str) -> tuple[str, str]:
        found = self.iot.describe_ca_certificate(certificateId=ca_id)["certificateDescription"]
        return found["status"], found["autoRegistrationStatus"]

    def tags(self, ca_id: str) -> dict[str, str]:
        found = self.iot.describe_ca_certificate(certificateId=ca_id)["certificateDescription"]
        answer = self.iot.list_tags_for_resource(resourceArn=found["certificateArn"])
        return {tag["Key"]: tag["Value"] for tag in answer["tags"]}

    # the deployed function, in its own role

    @cached_property
    def _function(self) -> str:
        names = [each["FunctionName"] for each in self.lab.client("lambda").list_functions()["Functions"]]
        (name,) = [name for name in names if "CaRegistrationOnEvent" in name]
        return str(name)

    def resource(self, stack: str) -> CaResource:
        """A custom resource of a stack of this name, served by the deployed function."""
        return CaResource(self._invoke, stack)

    def sni_only(self, **changes: Any) -> CaProperties:
        """Properties of a CA of its own, for a resource."""
        return sni_only(**{"ca_certificate_pem": CaSpec().build().pem, "ca_tags": {}, **changes})

    def _invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        # The function repeats a denied call for half a minute.
        config = Config(read_timeout=300, retries={"total_max_attempts": 1})
        client = self.lab.ministack.session.client("lambda", config=config)
        answer = client.invoke(FunctionName=self._function, Payload=json.dumps(event).encode())
        payload = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise FunctionFailedError(payload["errorMessage"])
        return dict(payload)


@contextmanager
def ca_cloud(folder: Path) -> Iterator[CaCloud]:
    """A lab, with nothing deployed yet."""
    folder.mkdir(exist_ok=True)
    with Lab.start(folder / "lab") as lab:
        yield CaCloud(lab, folder)
