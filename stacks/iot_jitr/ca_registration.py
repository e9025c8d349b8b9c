"""CA certificates registered with AWS IoT, as CloudFormation resources.

One `CaRegistrationProvider` serves all CAs of a pipeline; each CA is one `CaRegistration`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from constructs import Construct

from iot_jitr.functions import FunctionSettings, JitrFunction
from iot_jitr.permissions import without_resource
from iot_jitr.provider_framework import ProviderFramework
from iot_jitr.signers import grant_sign, plain_signer
from iot_jitr_runtime.ca_registration.properties import (
    RESOURCE_TYPE,
    Attribute,
    AutoRegistration,
    CaProperties,
    CaStatus,
    Mode,
    OnDelete,
    OnExisting,
)
from iot_jitr_runtime.ca_registration.signers import PresignedSigner, PrivateCaSigner
from iot_jitr_runtime.ca_registration.validation import (
    EXPIRY_WARNING,
    CaCertificateError,
    check_ca_certificate,
    expires_soon,
    load_ca_certificate,
)
from iot_jitr_runtime.ca_registration.verification import check_still_valid, load_verification_certificate
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.environment import CA_REGISTRATION_HANDLER
from iot_jitr_runtime.errors import JitrError

if TYPE_CHECKING:
    from iot_jitr.configuration import CaConfiguration

_TIMEOUT = timedelta(minutes=10)
"""Time for all retries of all calls; a function that times out cannot undo its changes."""

_ON_ANY_CA = [
    "iot:DescribeCACertificate",
    "iot:UpdateCACertificate",
    "iot:DeleteCACertificate",
    "iot:TagResource",
    "iot:UntagResource",
    "iot:ListTagsForResource",
]

_ANSWER_WITHIN = cdk.Duration.minutes(16)
"""CloudFormation's default is an hour; the framework's function has 15 minutes."""


_REGISTERED = "iot-jitr:registered-ca"
"""Metadata of the app: which construct registers which CA where."""


class CaTwiceError(JitrError):
    """The same CA is configured twice in one account and region."""


class CaRegistrationProvider(Construct):
    """The function behind every `CaRegistration` of a pipeline, and the CDK's framework around it.

    Attributes:
        function: The function with its role and log group.
        framework: The CDK's framework around it.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: FunctionSettings) -> None:
        """Create the provider; `settings` are those of the pipeline's other functions."""
        super().__init__(scope, construct_id)
        cas = cdk.Stack.of(self).format_arn(service="iot", resource="cacert", resource_name="*")
        self.function = JitrFunction(
            self,
            "OnEvent",
            handler=CA_REGISTRATION_HANDLER,
            description="Registers and manages CA certificates for CloudFormation",
            settings=settings,
            environment={},
            permissions=[
                without_resource(
                    "iot:GetRegistrationCode", "iot:ListCACertificates", "iot:RegisterCACertificate"
                ),
            ],
            timeout=_TIMEOUT,
        )
        self.function.allow(
            iam.PolicyStatement(actions=_ON_ANY_CA, resources=[cas]),
            wildcard="a CA certificate gets its id when it is registered",
        )
        self.framework = ProviderFramework(self, self.function, settings, of="CA registration")

    def serve(self, ca: "CaConfiguration") -> None:
        """Allow the function to sign for `ca`: with this one secret, key or Private CA, nothing else.

        Raises:
            CaTwiceError: Another CA of the app, in the same account and region, is the same certificate.
        """
        _register_once(self, ca)
        grant_sign(self.function, ca.signer)


@jsii.implements(cdk.ITaggableV2)
class CaRegistration(Construct):
    """One CA certificate, registered and managed. `Tags.of` tags it like any other resource.

    Attributes:
        configuration: Its configuration.
        resource: The custom resource.
        certificate_id: AWS IoT's id of the CA certificate.
        certificate_arn: Its ARN.
        status: `ACTIVE` or `INACTIVE`.
        mode: `DEFAULT` or `SNI_ONLY`.
        auto_registration_status: `ENABLE` or `DISABLE`.
        not_after: End of its validity, ISO 8601 in UTC.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, provider: CaRegistrationProvider, ca: "CaConfiguration"
    ) -> None:
        """Register `ca`.

        Args:
            scope: Where it belongs.
            construct_id: Its name in the construct tree. It is part of the resource's logical id, which
                with the stack's name identifies the resource that manages the CA: a change of either
                registers the CA anew.
            provider: The pipeline's provider.
            ca: The CA and what to do with it.

        Raises:
            CaCertificateError: The certificate cannot be a CA certificate of devices, or the verification
                certificate belongs to another CA.
            CaTwiceError: A pipeline of the app registers this CA already, in this account and region.
        """
        super().__init__(scope, construct_id)
        self.configuration = ca
        self._tags = cdk.TagManager(cdk.TagType.MAP, RESOURCE_TYPE, dict(ca.tags))
        with _named(ca):
            if ca.certificate_pem is not None:
                self._check(ca, load_ca_certificate(ca.certificate_pem))
            provider.serve(ca)
        properties = CaProperties(
            ca_certificate_pem=ca.certificate_pem,
            signer=plain_signer(ca.signer),
            mode=Mode(ca.mode),
            desired_status=CaStatus(ca.status),
            auto_registration=AutoRegistration.ENABLE if ca.auto_registration else AutoRegistration.DISABLE,
            on_existing=OnExisting(ca.on_existing),
            on_delete=OnDelete(ca.on_delete),
            ca_tags=ca.tags,
        )
        self.resource = cdk.CustomResource(
            self,
            "Resource",
            service_token=provider.framework.service_token,
            resource_type=RESOURCE_TYPE,
            service_timeout=_ANSWER_WITHIN,
            # Tags are known when the aspects have run.
            properties={**properties.to_cloudformation(), "CaTags": self._tags.rendered_tags},
        )
        self.certificate_id = self.resource.get_att_string(Attribute.CERTIFICATE_ID.value)
        self.certificate_arn = self.resource.get_att_string(Attribute.CERTIFICATE_ARN.value)
        self.status = self.resource.get_att_string(Attribute.STATUS.value)
        self.mode = self.resource.get_att_string(Attribute.MODE.value)
        self.auto_registration_status = self.resource.get_att_string(Attribute.AUTO_REGISTRATION.value)
        self.not_after = self.resource.get_att_string(Attribute.NOT_AFTER.value)

    @property
    def cdk_tag_manager(self) -> cdk.TagManager:
        """Where `Tags.of` adds tags; the CDK reads it."""
        return self._tags

    def _check(self, ca: "CaConfiguration", certificate: Certificate) -> None:
        check_ca_certificate(certificate)
        if expires_soon(certificate):
            cdk.Annotations.of(self).add_warning_v2(
                "iot-jitr:ca-expires-soon",
                f"the CA certificate '{certificate.subject}' expires on {certificate.not_after:%Y-%m-%d}, in "
                f"less than {EXPIRY_WARNING.days} days; none of its devices can be activated after that: "
                "rotate it (docs/ca.md)",
            )
        if isinstance(ca.signer, PresignedSigner):
            verification = load_verification_certificate(ca.signer.verification_certificate_pem, certificate)
            try:
                check_still_valid(verification)
            except CaCertificateError as error:
                # Only a warning: a CA that is registered already does not need it.
                cdk.Annotations.of(self).add_warning_v2("iot-jitr:verification-out-of-date", str(error))


@contextmanager
def _named(ca: "CaConfiguration") -> Iterator[None]:
    """Add the CA's name to an error about it."""
    try:
        yield
    except CaCertificateError as error:
        raise CaCertificateError(error.fault, f"CA '{ca.name}': {error}") from error


def _register_once(provider: CaRegistrationProvider, ca: "CaConfiguration") -> None:
    """Record in the app that `ca` is registered in the provider's account and region.

    Stacks without an account or a region may be deployed to two places: their pipelines are not compared.
    """
    stack, app = cdk.Stack.of(provider), provider.node.root.node
    anywhere = cdk.Token.is_unresolved(stack.account) or cdk.Token.is_unresolved(stack.region)
    place = stack.node.path if anywhere else stack.environment
    registered = {"place": place, "ca": _identity(ca)}
    pipeline = provider.node.scope
    who = f"CA '{ca.name}' of {pipeline.node.path if pipeline else provider.node.path}"
    for entry in app.metadata:
        if entry.type == _REGISTERED and entry.data["registered"] == registered:
            raise CaTwiceError(
                f"{who} and {entry.data['who']} are the same certificate; an account holds a CA once in a "
                "region: take one of them out"
            )
    app.add_metadata(_REGISTERED, {"registered": registered, "who": who})


def _identity(ca: "CaConfiguration") -> str:
    if ca.certificate_pem is None and isinstance(ca.signer, PrivateCaSigner):
        return ca.signer.certificate_authority_arn
    return load_ca_certificate(ca.certificate_pem or "").fingerprint
