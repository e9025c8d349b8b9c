"""The connect guard's resources: the function, the permission to invoke it, and the domain that calls it."""

from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_iot as iot
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from iot_jitr.allowed import whole_seconds
from iot_jitr.configuration.connect_guard import AwsManagedDomain, ConnectGuard, CustomDomain, ExistingDomain
from iot_jitr.functions import FunctionSettings, JitrFunction
from iot_jitr.revocation.bucket import RevocationBucket
from iot_jitr.validation import ConfigurationError
from iot_jitr_runtime import environment

if TYPE_CHECKING:
    from iot_jitr.ca_registration import CaRegistration

_ALIAS = "live"


class ConnectGuardEndpoint(Construct):
    """The guard's function, and the domain configuration that calls it at each connect.

    Attributes:
        function: The function with its role and log group.
        callback_arn: The ARN for a domain configuration: of the function, or of its alias.
        permission: Allows AWS IoT to invoke it, for the domain configurations of this account.
        domain: The domain configuration; None if an existing one is used.
        domain_configuration: Name of the domain configuration.
        domain_name: The name that devices connect to; None where AWS IoT chooses it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cas: "Collection[CaRegistration]",
        bucket: RevocationBucket,
        functions: FunctionSettings,
        settings: ConnectGuard,
    ) -> None:
        """Create them.

        Raises:
            ConfigurationError: The stack's region is one of GovCloud.
        """
        super().__init__(scope, construct_id)
        self._refuse_govcloud()
        self.function = JitrFunction(
            self,
            "Function",
            handler=environment.CONNECT_GUARD_HANDLER,
            description="Refuses devices on their CA's revocation list at the TLS handshake",
            settings=functions,
            environment={
                environment.REVOCATION_BUCKET: bucket.name,
                environment.CONNECT_GUARD: cdk.Stack.of(self).to_json_string(
                    {
                        "cas": [ca.certificate_id for ca in cas],
                        "on_unknown": str(settings.on_unknown),
                        "refresh_seconds": whole_seconds(settings.refresh),
                    }
                ),
            },
            # The memory that comes with one whole processor, for a short start
            # (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
            memory_mib=1769,
            # AWS IoT's other callbacks have 5 seconds.
            timeout=timedelta(seconds=5),
        )
        bucket.grant_read_indexes(self.function)
        self.callback_arn, name = self._callback(settings)
        self.permission = lambda_.CfnPermission(
            self,
            "MayInvoke",
            action="lambda:InvokeFunction",
            function_name=name,
            principal="iot.amazonaws.com",
            source_account=cdk.Stack.of(self).account,
            # The domain configuration that uses the function is created later: its name is not known yet.
            source_arn=cdk.Stack.of(self).format_arn(
                service="iot", resource="domainconfiguration", resource_name="*"
            ),
        )
        domain = cast("AwsManagedDomain | CustomDomain | ExistingDomain", settings.domain)
        self.domain_name: str | None = None
        self.domain: iot.CfnDomainConfiguration | None = None
        if isinstance(domain, ExistingDomain):
            self.domain_configuration = domain.name
            return
        of_yours: dict[str, Any] = {}
        if isinstance(domain, CustomDomain):
            self.domain_name = domain.name
            of_yours = {
                "domain_name": domain.name,
                "server_certificate_arns": [_arn(domain.certificate)],
                "validation_certificate_arn": _arn(domain.validation_certificate),
            }
        self.domain = iot.CfnDomainConfiguration(
            self,
            "Domain",
            authentication_type="AWS_X509",
            application_protocol="SECURE_MQTT",
            domain_configuration_status="ENABLED",
            client_certificate_config=iot.CfnDomainConfiguration.ClientCertificateConfigProperty(
                client_certificate_callback_arn=self.callback_arn
            ),
            **of_yours,
        )
        self.domain.node.add_dependency(self.permission)
        self.domain_configuration = self.domain.ref

    def _callback(self, settings: ConnectGuard) -> tuple[str, str]:
        """Return the ARN of the callback, and the resource of the permission.

        Lambda keeps environments ready, or takes snapshots, only for a version; an alias refers to it.
        """
        function = self.function.function
        if not settings.provisioned_concurrency and not settings.snap_start:
            return function.function_arn, function.function_name
        if settings.snap_start:
            resource = cast("lambda_.CfnFunction", function.node.default_child)
            resource.snap_start = lambda_.CfnFunction.SnapStartProperty(apply_on="PublishedVersions")
        version = function.current_version
        version.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
        alias = lambda_.Alias(
            self,
            "Live",
            alias_name=_ALIAS,
            version=version,
            provisioned_concurrent_executions=settings.provisioned_concurrency or None,
        )
        return alias.function_arn, alias.function_arn

    def _refuse_govcloud(self) -> None:
        region = cdk.Stack.of(self).region
        if not cdk.Token.is_unresolved(region) and region.startswith("us-gov-"):
            raise ConfigurationError(
                "connect_guard",
                f"region {region}",
                "a region outside of GovCloud, which has no client certificate callbacks",
            )


def _arn(certificate: "acm.ICertificate | str | None") -> str | None:
    return certificate if isinstance(certificate, str | None) else certificate.certificate_arn
