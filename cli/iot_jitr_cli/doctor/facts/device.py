"""The device certificate, from the caller's files and from AWS IoT."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from iot_jitr_cli.doctor.facts.fact import NoAnswerError, aws_call, fact
from iot_jitr_policy.document import PolicyDocument, PolicySyntaxError
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_iot.type_defs import AuthResultTypeDef


@dataclass(frozen=True)
class Registered:
    """A device certificate as AWS IoT describes it."""

    status: str
    arn: str
    ca_certificate_id: CaCertificateId | None
    """None: it was not registered under a CA."""
    certificate: Certificate | None
    """None: it cannot be parsed."""
    registered_at: datetime


class DeviceFacts:
    """Facts about one device certificate."""

    def __init__(
        self, session: "boto3.Session", certificate_id: CertificateId, presented: Certificate | None
    ) -> None:
        self._session = session
        self.certificate_id = certificate_id
        self.presented = presented
        """The certificate in the chain file; None where only its id is known."""

    @fact("iot:DescribeCertificate")
    def registered(self) -> Registered | None:
        """The certificate as AWS IoT describes it; None: it is not registered."""
        iot = self._session.client("iot")
        try:
            found = iot.describe_certificate(certificateId=self.certificate_id)["certificateDescription"]
        except iot.exceptions.ResourceNotFoundException:
            return None
        ca_id = found.get("caCertificateId")
        return Registered(
            status=found["status"],
            arn=found["certificateArn"],
            ca_certificate_id=CaCertificateId(ca_id) if ca_id else None,
            certificate=_parsed(found["certificatePem"]),
            registered_at=found["creationDate"],
        )

    @property
    def certificate(self) -> Certificate | None:
        """The certificate, from the file or else from AWS IoT.

        Raises:
            CannotTellError: There is no file, and AWS IoT does not answer.
        """
        if self.presented is not None:
            return self.presented
        return self.registered.certificate if self.registered else None

    @fact("iot:ListAttachedPolicies")
    def policies(self) -> tuple[str, ...]:
        """Names of the policies attached to the certificate."""
        if self.registered is None:
            return ()
        pages = self._session.client("iot").get_paginator("list_attached_policies")
        found = pages.paginate(target=self.registered.arn)
        return tuple(policy["policyName"] for page in found for policy in page["policies"])

    @fact("iot:GetPolicy")
    def documents(self) -> tuple[PolicyDocument, ...]:
        """The attached policies, in their default versions."""
        iot = self._session.client("iot")
        texts = [iot.get_policy(policyName=name)["policyDocument"] for name in self.policies]
        try:
            return tuple(map(PolicyDocument.parse, texts))
        except PolicySyntaxError as error:
            raise NoAnswerError(
                f"the attached policy is not one that can be evaluated here: {error}"
            ) from error

    @fact("iot:ListPrincipalThings")
    def things(self) -> tuple[str, ...]:
        """Names of the things that the certificate is attached to."""
        if self.registered is None:
            return ()
        pages = self._session.client("iot").get_paginator("list_principal_things")
        found = pages.paginate(principal=self.registered.arn)
        return tuple(name for page in found for name in page["things"])

    def authorization(self, client_id: str, resource_arn: str) -> "AuthResultTypeDef":
        """Test with AWS IoT whether the certificate may connect as `client_id`: `TestAuthorization`.

        Raises:
            CannotTellError: The permission is missing, or this cloud does not have the call.
        """
        arn = self.registered.arn if self.registered else ""
        with aws_call("iot:TestAuthorization"):
            answer = self._session.client("iot").test_authorization(
                principal=arn,
                clientId=client_id,
                authInfos=[{"actionType": "CONNECT", "resources": [resource_arn]}],
            )
        return answer["authResults"][0]


def _parsed(pem: str) -> Certificate | None:
    try:
        return Certificate.load(pem)
    except MalformedCertificateError:
        return None
