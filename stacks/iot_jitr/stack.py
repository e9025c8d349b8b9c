"""`JitrStack`: the shipped stack, one pipeline made from the configuration, with its outputs."""

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns

from iot_jitr.observability import AlarmSettings
from iot_jitr.pipeline import JitrPipeline
from iot_jitr.retention import RETENTION_OF
from iot_jitr_runtime.stack_outputs import (
    CA_AUTO_REGISTRATION,
    CA_CERTIFICATE_ARN,
    CA_CERTIFICATE_ID,
    CA_MODE,
    CA_NOT_AFTER,
    CA_STATUS,
    CRL_LOCATION,
    RULE,
    Output,
)

if TYPE_CHECKING:
    from constructs import Construct

    from iot_jitr.configuration import AlarmConfiguration, JitrConfiguration


class JitrStack(cdk.Stack):
    """One `JitrPipeline` and what an operator needs to know of it.

    Attributes:
        pipeline: The pipeline.
    """

    def __init__(self, scope: "Construct", construct_id: str, configuration: "JitrConfiguration") -> None:
        """Create the stack that `configuration` describes."""
        super().__init__(
            scope,
            construct_id,
            stack_name=configuration.stack_name,
            description="AWS IoT Core just-in-time registration (iot-jitr)",
            synthesizer=configuration.target.synthesizer(),
        )
        configuration.target.choose_for(self)
        self.pipeline = JitrPipeline(
            self,
            "Jitr",
            cas=configuration.cas,
            device_policy=configuration.policy,
            admission=configuration.admission,
            things=configuration.things,
            on_refusal=configuration.on_refusal,
            revocation=configuration.revocation,
            reconciler=configuration.reconciler,
            activations_per_second=configuration.activations_per_second,
            log_retention=RETENTION_OF[configuration.log_retention_days],
            log_level=configuration.log_level.value,
            metrics_namespace=configuration.metrics_namespace,
            alarms=self._alarm_settings(configuration.alarms),
            account_logging=configuration.account_logging,
            encryption_key=self._encryption_key(configuration.encryption_key_arn),
            removal_policy=cdk.RemovalPolicy(configuration.removal.name),
        )
        self._bound(configuration.permissions_boundary_arn)
        self._write_outputs()
        self._write_revocation_outputs()

    def _encryption_key(self, arn: str | None) -> kms.IKey | None:
        return kms.Key.from_key_arn(self, "EncryptionKey", arn) if arn else None

    def _bound(self, policy_arn: str | None) -> None:
        if policy_arn is not None:
            policy = iam.ManagedPolicy.from_managed_policy_arn(self, "Boundary", policy_arn)
            iam.PermissionsBoundary.of(self).apply(policy)

    def _alarm_settings(self, alarms: "AlarmConfiguration") -> AlarmSettings:
        topic = sns.Topic.from_topic_arn(self, "AlarmTopic", alarms.topic_arn) if alarms.topic_arn else None
        return AlarmSettings(alarms.thresholds, topic, alarms.runbook_url)

    def _write_outputs(self) -> None:
        """Say what was made; the names of these outputs are a stable interface."""
        pipeline = self.pipeline
        for name, ca in pipeline.cas.items():
            self._output(f"{name}{CA_CERTIFICATE_ID}", ca.certificate_id, f"Id of CA {name}")
            self._output(f"{name}{CA_CERTIFICATE_ARN}", ca.certificate_arn, f"ARN of CA {name}")
            self._output(f"{name}{CA_STATUS}", ca.status, f"Status of CA {name}")
            self._output(f"{name}{CA_MODE}", ca.mode, f"Mode of CA {name}")
            self._output(
                f"{name}{CA_AUTO_REGISTRATION}",
                ca.auto_registration_status,
                f"Auto-registration of CA {name}",
            )
            self._output(f"{name}{CA_NOT_AFTER}", ca.not_after, f"End of validity of CA {name}")
            self._output(f"{name}{RULE}", pipeline.rules.rules[name].ref, f"Topic rule of CA {name}")
        self._output(Output.ACTIVATION_QUEUE_URL, pipeline.queues.activation.queue_url, "Registration events")
        self._output(
            Output.DEAD_LETTER_QUEUE_URL, pipeline.queues.dead_letters.queue_url, "Undecidable events"
        )
        if pipeline.device_policy.policy_name is not None:
            self._output(
                Output.DEVICE_POLICY_NAME, pipeline.device_policy.policy_name, "Policy of the devices"
            )
        self._output(
            Output.LEDGER_TABLE, pipeline.ledger.table.table_name, "What was decided about each certificate"
        )
        self._write_allow_list_outputs()
        activator = pipeline.activator.function
        self._output(Output.ACTIVATOR_FUNCTION, activator.function.function_name, "The function that decides")
        self._output(Output.ACTIVATOR_LOG_GROUP, activator.log_group.log_group_name, "Log of the activator")
        self._output(Output.METRICS_NAMESPACE, pipeline.metrics.namespace, "Namespace of the metrics")
        self._output(Output.SERVICE_NAME, pipeline.metrics.service, "Dimension 'service' of the metrics")
        self._output(
            Output.DASHBOARD, pipeline.observability.dashboard.dashboard_name, "CloudWatch dashboard"
        )
        registration = pipeline.ca_registration
        ours, framework = registration.function.log_group, registration.framework.log_group
        self._output("CaRegistrationLogGroup", ours.log_group_name, "Log of the CA registration")
        self._output(
            "CaRegistrationFrameworkLogGroup",
            framework.log_group_name,
            "Log of the custom resource framework around the CA registration",
        )

    def _write_allow_list_outputs(self) -> None:
        admission = self.pipeline.identity.admission
        if admission is not None and admission.table is not None and admission.key is not None:
            self._output(Output.ALLOW_LIST_TABLE, admission.table.table_name, "The expected devices")
            self._output(
                Output.ALLOW_LIST_KEY, admission.key.value, "By what the expected devices are listed"
            )

    def _write_revocation_outputs(self) -> None:
        revocation = self.pipeline.revocation
        if revocation is None:
            return
        self._output(Output.REVOCATION_BUCKET, revocation.bucket.name, "CRLs and revocation indexes")
        for name, location in revocation.locations.items():
            self._output(f"{name}{CRL_LOCATION}", location, f"Where the CRLs of CA {name} come from")
        for output, log, function, what in (
            (
                Output.CRL_PUBLISHER_FUNCTION,
                Output.CRL_PUBLISHER_LOG_GROUP,
                revocation.publisher,
                "publisher",
            ),
            (Output.SWEEP_FUNCTION, Output.SWEEP_LOG_GROUP, revocation.sweep, "sweep"),
        ):
            made = function.function
            self._output(output, made.function.function_name, f"The revocation {what}")
            self._output(log, made.log_group.log_group_name, f"Log of the revocation {what}")

    def _output(self, name: str, value: str, description: str) -> None:
        cdk.CfnOutput(self, str(name), value=value, description=description)
