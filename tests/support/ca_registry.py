"""The CA certificates of an AWS IoT account, at the wire of real boto3 clients.

It has what moto leaves out: it checks the verification certificate and the registration code, refuses a CA
that is registered already, stores ids, modes and tags, and refuses to delete an ACTIVE CA. `moto` emulates
all other services.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import botocore.loaders
import botocore.session
from cryptography import x509
from moto import mock_aws

from iot_jitr_runtime.certificates import Certificate
from tests.support.aws_response import aws_response

REGION = "eu-central-1"
ACCOUNT = "123456789012"
REGISTRATION_CODE = "5f1c" * 16


_LOADER = botocore.loaders.create_loader()
"""Shared: to read the service models for each test takes longer than the tests."""


class _RefusedError(Exception):
    def __init__(self, status: int, code: str, message: str = "", **more: str) -> None:
        super().__init__(code)
        self.status, self.code, self.body = status, code, {"message": message, **more}


@dataclass
class EmulatedIot:
    """The state; tests read and set it directly."""

    cas: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    elsewhere: set[bytes] = field(default_factory=set)
    """Fingerprints of CAs that another account of the region holds."""
    quota: int = 10
    refusals: list[str] = field(default_factory=list)
    """Error codes that the next calls end in."""
    conflict_has_id: bool = True
    """Whether a conflict names the CA that is there already."""

    def clear(self) -> None:
        """Empty the account."""
        self.cas.clear()
        self.tags.clear()

    def add(self, ca: Certificate, tags: dict[str, str] | None = None, **changes: Any) -> str:
        """Register a CA as another owner did; return its id."""
        # The id is not always the SHA-256 of the certificate: no code may rely on it.
        ca_id = ca.fingerprint[::-1]
        self.cas[ca_id] = {
            "certificateArn": f"arn:aws:iot:{REGION}:{ACCOUNT}:cacert/{ca_id}",
            "certificateId": ca_id,
            "certificatePem": ca.pem,
            "status": "ACTIVE",
            "autoRegistrationStatus": "DISABLE",
            "certificateMode": "DEFAULT",
            **changes,
        }
        self.set_tags(ca_id, tags or {})
        return ca_id

    def set_tags(self, ca_id: str, tags: dict[str, str]) -> None:
        """Replace all tags of a CA."""
        self.tags[self.cas[ca_id]["certificateArn"]] = dict(tags)

    def state(self, ca_id: str) -> tuple[str, str]:
        return self.cas[ca_id]["status"], self.cas[ca_id]["autoRegistrationStatus"]

    def tags_of(self, ca_id: str) -> dict[str, str]:
        return self.tags[self.cas[ca_id]["certificateArn"]]

    def snapshot(self) -> str:
        """A copy of the whole state, to compare."""
        return json.dumps([self.cas, {arn: tags for arn, tags in self.tags.items() if tags}], sort_keys=True)

    def answer(self, request: Any, **_: Any) -> Any:
        url = urlsplit(request.url)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = json.loads(request.body or b"{}")
        try:
            if self.refusals:
                raise _RefusedError(400, self.refusals.pop(0), "Not now")  # noqa: TRY301 -- one way to answer
            return aws_response(200, self._route(request.method, unquote(url.path), query, body))
        except _RefusedError as refused:
            return aws_response(refused.status, refused.body, refused.code)

    def _route(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        match path.strip("/").split("/"):
            case ["registrationcode"]:
                return {"registrationCode": REGISTRATION_CODE}
            case ["cacertificates"]:
                return {"certificates": [{"certificateId": ca_id} for ca_id in self.cas]}
            case ["cacertificate"]:
                return self._register(query, body)
            case ["cacertificate", ca_id]:
                return self._one(method, self._record(ca_id), query)
            case ["tags"] | ["untag"]:
                return self._tagging(body, query)
        raise AssertionError(f"unexpected call: {method} {path}")

    def _one(self, method: str, record: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        if method == "GET":
            template = record.get("registrationConfig")
            description = {key: value for key, value in record.items() if key != "registrationConfig"}
            return {
                "certificateDescription": description,
                **({"registrationConfig": template} if template else {}),
            }
        if method == "PUT":
            record["status"] = query.get("newStatus", record["status"])
            record["autoRegistrationStatus"] = query.get(
                "newAutoRegistrationStatus", record["autoRegistrationStatus"]
            )
            return {}
        if record["status"] == "ACTIVE":
            raise _RefusedError(406, "CertificateStateException", "CA certificate must be INACTIVE")
        del self.cas[record["certificateId"]]
        self.tags.pop(record["certificateArn"], None)
        return {}

    def _tagging(self, body: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        arn = body.get("resourceArn") or query["resourceArn"]
        tags = self.tags[arn]
        if any(tag["Key"].startswith("aws:") for tag in body.get("tags", [])):
            raise _RefusedError(400, "InvalidRequestException", "aws: prefixed tag key names are not allowed")
        tags.update({tag["Key"]: tag["Value"] for tag in body.get("tags", [])})
        for key in body.get("tagKeys", []):
            tags.pop(key, None)
        return {"tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _record(self, ca_id: str) -> dict[str, Any]:
        if ca_id not in self.cas:
            raise _RefusedError(404, "ResourceNotFoundException", "Requested CA Certificate does not exist.")
        return self.cas[ca_id]

    def _register(self, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        ca = Certificate.load(body["caCertificate"])
        _verify(ca, body)
        registered = [
            ca_id
            for ca_id, each in self.cas.items()
            if Certificate.load(each["certificatePem"]).der == ca.der
        ]
        if registered or ca.der in self.elsewhere:
            ca_id = (registered or [ca.fingerprint])[0]
            details = {"resourceId": ca_id} if self.conflict_has_id else {}
            raise _RefusedError(409, "ResourceAlreadyExistsException", "It already exists.", **details)
        if len(self.cas) >= self.quota:
            raise _RefusedError(410, "LimitExceededException", "CA certificate limit reached")
        ca_id = self.add(
            ca,
            {tag["Key"]: tag["Value"] for tag in body.get("tags", [])},
            status="ACTIVE" if query.get("setAsActive") == "true" else "INACTIVE",
            autoRegistrationStatus="ENABLE" if query.get("allowAutoRegistration") == "true" else "DISABLE",
            certificateMode=body.get("certificateMode", "DEFAULT"),
        )
        return {"certificateArn": self.cas[ca_id]["certificateArn"], "certificateId": ca_id}


def _verify(ca: Certificate, body: dict[str, Any]) -> None:
    pem = body.get("verificationCertificate")
    if body.get("certificateMode") == "SNI_ONLY":
        if pem:
            raise _RefusedError(
                400, "InvalidRequestException", "Cannot provide verification certificate in SNI_ONLY mode"
            )
        return
    if not pem:
        raise _RefusedError(
            400, "InvalidRequestException", "Need to provide verification certificate in DEFAULT mode"
        )
    verification = x509.load_pem_x509_certificate(pem.encode())
    try:
        verification.verify_directly_issued_by(ca.x509)
    except Exception as error:
        raise _RefusedError(
            400, "CertificateValidationException", "The signature does not verify."
        ) from error
    if Certificate(verification).common_names != [REGISTRATION_CODE]:
        raise _RefusedError(400, "RegistrationCodeValidationException", "Registration code is invalid.")


@dataclass
class CaAccount:
    """An account whose AWS IoT is the emulation and whose other services are moto's."""

    session: boto3.Session
    iot: EmulatedIot

    def client(self, service: str) -> Any:
        return self.session.client(service)  # type: ignore[call-overload]


@contextmanager
def ca_account() -> Iterator[CaAccount]:
    """Open a fresh account."""
    with mock_aws(config={"core": {"passthrough": {"services": ["iot"]}}}):
        core = botocore.session.Session()
        core.register_component("data_loader", _LOADER)
        session = boto3.Session("test", "test", region_name=REGION, botocore_session=core)
        iot = EmulatedIot()
        session.events.register_first("before-send.iot", iot.answer)
        yield CaAccount(session, iot)
