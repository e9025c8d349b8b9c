"""`DeploymentOutputs`: the outputs of a stack by which the `jitr` command finds a pipeline."""

from typing import Annotated

import aws_cdk as cdk
from constructs import Construct

from iot_jitr.allowed import text
from iot_jitr.imported import EXPORT_PREFIX, EXPORT_PREFIX_ALLOWED, export_name
from iot_jitr.pipeline import JitrPipeline
from iot_jitr.validation import ConfigurationError, checked
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

_ID = "Outputs"
_TAKEN = "iot-jitr:outputs"
"""Metadata of the app: which stack has outputs with which prefix."""


class DeploymentOutputs(Construct):
    """What the `jitr` command finds a pipeline by: outputs of its stack, under names that stay.

    `JitrStack` has them. In a stack of your own this adds them; `jitr … --stack NAME` names the stack. A
    second pipeline of the stack, or a stack that has outputs of the same names, takes a prefix:
    `jitr … --stack NAME:PREFIX`.
    """

    @checked
    def __init__(
        self,
        pipeline: JitrPipeline,
        *,
        prefix: Annotated[str, text(r"[A-Za-z0-9]{0,100}", "up to 100 letters and digits")] = "",
        export_prefix: Annotated[str | None, text(EXPORT_PREFIX, EXPORT_PREFIX_ALLOWED)] = None,
    ) -> None:
        """Add the outputs.

        Args:
            pipeline: The pipeline that they are about.
            prefix: What their names begin with, letters and digits; nothing by default.
                https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/outputs-section-structure.html
            export_prefix: What the names of their exports begin with, for `ExportedOutputs` of other stacks:
                letters, digits, `:` and `-`. None: nothing is exported.
                https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html

        Raises:
            ConfigurationError: A prefix has other characters, two pipelines of the stack have the same, or
                the pipeline has its outputs already.
        """
        if pipeline.node.try_find_child(_ID) is not None:
            raise ConfigurationError(
                "DeploymentOutputs.pipeline",
                f"'{pipeline.node.path}', which has its outputs already",
                "a pipeline without outputs; JitrStack adds those of its own",
            )
        super().__init__(pipeline, _ID)
        _once(pipeline, prefix)
        self._prefix = prefix
        self._export_prefix = export_prefix
        self._add_cas(pipeline)
        self._add_what_is_kept(pipeline)
        self._add_allow_list(pipeline)
        self._add_functions(pipeline)
        self._add_revocation(pipeline)

    def _add_cas(self, pipeline: JitrPipeline) -> None:
        for name, ca in pipeline.cas.items():
            self._add(f"{name}{CA_CERTIFICATE_ID}", ca.certificate_id, f"Id of CA {name}")
            self._add(f"{name}{CA_CERTIFICATE_ARN}", ca.certificate_arn, f"ARN of CA {name}")
            self._add(f"{name}{CA_STATUS}", ca.status, f"Status of CA {name}")
            self._add(f"{name}{CA_MODE}", ca.mode, f"Mode of CA {name}")
            self._add(
                f"{name}{CA_AUTO_REGISTRATION}",
                ca.auto_registration_status,
                f"Auto-registration of CA {name}",
            )
            self._add(f"{name}{CA_NOT_AFTER}", ca.not_after, f"End of validity of CA {name}")
            self._add(f"{name}{RULE}", pipeline.rules.rules[name].ref, f"Topic rule of CA {name}")

    def _add_what_is_kept(self, pipeline: JitrPipeline) -> None:
        queues = pipeline.queues
        self._add(Output.ACTIVATION_QUEUE_URL, queues.activation.queue_url, "Registration events")
        self._add(Output.DEAD_LETTER_QUEUE_URL, queues.dead_letters.queue_url, "Undecidable events")
        if pipeline.device_policy.policy_name is not None:
            self._add(Output.DEVICE_POLICY_NAME, pipeline.device_policy.policy_name, "Policy of the devices")
        self._add(
            Output.LEDGER_TABLE, pipeline.ledger.table.table_name, "What was decided about each certificate"
        )

    def _add_allow_list(self, pipeline: JitrPipeline) -> None:
        admission = pipeline.devices.admission
        if admission is not None and admission.table is not None and admission.key is not None:
            self._add(Output.ALLOW_LIST_TABLE, admission.table.table_name, "The expected devices")
            self._add(Output.ALLOW_LIST_KEY, admission.key.value, "By what the expected devices are listed")

    def _add_functions(self, pipeline: JitrPipeline) -> None:
        activator = pipeline.activator.function
        self._add(Output.ACTIVATOR_FUNCTION, activator.function.function_name, "The function that decides")
        self._add(Output.ACTIVATOR_LOG_GROUP, activator.log_group.log_group_name, "Log of the activator")
        self._add(Output.ACTIVATOR_ROLE, activator.role.role_name, "Role of the activator")
        self._add(Output.RULES_ROLE, pipeline.rules.role.role_name, "Role of the topic rules")
        self._add(Output.METRICS_NAMESPACE, pipeline.metrics.namespace, "Namespace of the metrics")
        self._add(Output.SERVICE_NAME, pipeline.metrics.service, "Dimension 'service' of the metrics")
        dashboard = pipeline.observability.dashboard
        if dashboard is not None:
            self._add(Output.DASHBOARD, dashboard.dashboard_name, "CloudWatch dashboard")
        if pipeline.outcome_events is not None:
            bus = pipeline.outcome_events.event_bus
            self._add(Output.EVENT_BUS, bus.event_bus_arn, "Event bus of the outcome events")
        registration = pipeline.ca_registration
        ours, framework = registration.function.log_group, registration.framework.log_group
        self._add("CaRegistrationLogGroup", ours.log_group_name, "Log of the CA registration")
        self._add(
            "CaRegistrationFrameworkLogGroup",
            framework.log_group_name,
            "Log of the custom resource framework around the CA registration",
        )

    def _add_revocation(self, pipeline: JitrPipeline) -> None:
        revocation = pipeline.revocation
        if revocation is None:
            return
        self._add(Output.REVOCATION_BUCKET, revocation.bucket.name, "CRLs and revocation indexes")
        for name, location in revocation.locations.items():
            self._add(f"{name}{CRL_LOCATION}", location, f"Where the CRLs of CA {name} come from")
        if (client_id := revocation.sweep.client_id) is not None:
            self._add(
                Output.SESSION_CLIENT_ID,
                client_id,
                "Client id by which sessions of revoked devices are closed",
            )
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
            self._add(output, made.function.function_name, f"The revocation {what}")
            self._add(log, made.log_group.log_group_name, f"Log of the revocation {what}")
        if (guard := revocation.connect_guard) is not None:
            made = guard.function
            self._add(Output.CONNECT_GUARD_FUNCTION, made.function.function_name, "The connect guard")
            self._add(
                Output.CONNECT_GUARD_LOG_GROUP, made.log_group.log_group_name, "Log of the connect guard"
            )
            self._add(
                Output.CONNECT_GUARD_CALLBACK_ARN,
                guard.callback_arn,
                "Client certificate callback of the guarded domain configuration",
            )
            self._add(
                Output.CONNECT_GUARD_DOMAIN_CONFIGURATION,
                guard.domain_configuration,
                "Domain configuration that devices connect to",
            )

    def _add(self, name: str, value: str, description: str) -> None:
        export = None if self._export_prefix is None else export_name(self._export_prefix, name)
        output = cdk.CfnOutput(self, str(name), value=value, description=description, export_name=export)
        # Else CloudFormation's name of the output would have the construct's path in it.
        output.override_logical_id(f"{self._prefix}{name}")


def _once(pipeline: JitrPipeline, prefix: str) -> None:
    """Refuse a second pipeline of the stack with the same prefix: its outputs would have the same names."""
    app, taken = pipeline.node.root.node, {"stack": cdk.Stack.of(pipeline).node.path, "prefix": prefix}
    if any(entry.type == _TAKEN and entry.data == taken for entry in app.metadata):
        raise ConfigurationError(
            "DeploymentOutputs.prefix",
            f"'{prefix}' for two pipelines of a stack",
            "a prefix for each of them",
        )
    app.add_metadata(_TAKEN, taken)
