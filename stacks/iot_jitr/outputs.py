"""`DeploymentOutputs`: the outputs of a stack with which the `jitr` command finds a pipeline."""

from collections.abc import Iterator
from typing import Annotated

import aws_cdk as cdk
from constructs import Construct

from iot_jitr.allowed import text
from iot_jitr.functions import JitrFunction
from iot_jitr.imported import EXPORT_PREFIX, EXPORT_PREFIX_ALLOWED, export_name
from iot_jitr.pipeline import JitrPipeline
from iot_jitr.revocation import Revocation
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
    """The outputs of a stack with which the `jitr` command finds a pipeline, under stable names.

    `JitrStack` has them. This construct adds them to a stack of your own; `jitr … --stack NAME` selects the
    stack. A second pipeline of the stack, or a stack that has outputs of the same names, needs a prefix:
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
            prefix: Prefix of their names, letters and digits; none by default.
                https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/outputs-section-structure.html
            export_prefix: Prefix of the names of their exports, for `ExportedOutputs` of other stacks:
                letters, digits, `:` and `-`. None: the outputs are not exported.
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
        for name, value, description in _all(pipeline):
            export = None if export_prefix is None else export_name(export_prefix, name)
            output = cdk.CfnOutput(self, str(name), value=value, description=description, export_name=export)
            # Otherwise CloudFormation's name of the output would contain the construct's path.
            output.override_logical_id(f"{prefix}{name}")


def _all(pipeline: JitrPipeline) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the value and the description of each output."""
    for name, ca in pipeline.cas.items():
        yield f"{name}{CA_CERTIFICATE_ID}", ca.certificate_id, f"Id of CA {name}"
        yield f"{name}{CA_CERTIFICATE_ARN}", ca.certificate_arn, f"ARN of CA {name}"
        yield f"{name}{CA_STATUS}", ca.status, f"Status of CA {name}"
        yield f"{name}{CA_MODE}", ca.mode, f"Mode of CA {name}"
        yield f"{name}{CA_AUTO_REGISTRATION}", ca.auto_registration_status, f"Auto-registration of CA {name}"
        yield f"{name}{CA_NOT_AFTER}", ca.not_after, f"End of validity of CA {name}"
        yield f"{name}{RULE}", pipeline.rules.rules[name].ref, f"Topic rule of CA {name}"
    yield Output.ACTIVATION_QUEUE_URL, pipeline.activation_queue.queue_url, "Registration events"
    yield Output.DEAD_LETTER_QUEUE_URL, pipeline.dead_letter_queue.queue_url, "Undecidable events"
    if pipeline.device_policy.policy_name is not None:
        yield Output.DEVICE_POLICY_NAME, pipeline.device_policy.policy_name, "Policy of the devices"
    yield Output.LEDGER_TABLE, pipeline.ledger_table.table_name, "What was decided about each certificate"
    admission = pipeline.devices.admission
    if admission is not None and admission.table is not None and admission.key is not None:
        yield Output.ALLOW_LIST_TABLE, admission.table.table_name, "The expected devices"
        yield Output.ALLOW_LIST_KEY, admission.key.value, "By what the expected devices are listed"
    activator, log_group = Output.ACTIVATOR_FUNCTION, Output.ACTIVATOR_LOG_GROUP
    yield from _of_function(activator, log_group, pipeline.activator.function, "activator")
    yield Output.ACTIVATOR_ROLE, pipeline.activator.function.role.role_name, "Role of the activator"
    yield Output.RULES_ROLE, pipeline.rules.role.role_name, "Role of the topic rules"
    yield Output.METRICS_NAMESPACE, pipeline.metrics.namespace, "Namespace of the metrics"
    yield Output.SERVICE_NAME, pipeline.metrics.service, "Dimension 'service' of the metrics"
    dashboard = pipeline.observability.dashboard
    if dashboard is not None:
        yield Output.DASHBOARD, dashboard.dashboard_name, "CloudWatch dashboard"
    if pipeline.outcome_events is not None:
        bus = pipeline.outcome_events.event_bus
        yield Output.EVENT_BUS, bus.event_bus_arn, "Event bus of the outcome events"
    ours, framework = pipeline.ca_registration.function, pipeline.ca_registration.framework
    yield "CaRegistrationLogGroup", ours.log_group.log_group_name, "Log of the CA registration"
    yield (
        "CaRegistrationFrameworkLogGroup",
        framework.log_group.log_group_name,
        "Log of the custom resource framework around the CA registration",
    )
    if pipeline.revocation is not None:
        yield from _of_revocation(pipeline.revocation)


def _of_revocation(revocation: Revocation) -> Iterator[tuple[str, str, str]]:
    publisher, sweep, guard = revocation.publisher, revocation.sweep, revocation.connect_guard
    yield Output.REVOCATION_BUCKET, revocation.bucket.name, "CRLs and revocation indexes"
    for name, location in revocation.locations.items():
        yield f"{name}{CRL_LOCATION}", location, f"Where the CRLs of CA {name} come from"
    if sweep.client_id is not None:
        what = "Client id by which sessions of revoked devices are closed"
        yield Output.SESSION_CLIENT_ID, sweep.client_id, what
    function, log_group = Output.CRL_PUBLISHER_FUNCTION, Output.CRL_PUBLISHER_LOG_GROUP
    yield from _of_function(function, log_group, publisher.function, "CRL publisher")
    yield from _of_function(Output.SWEEP_FUNCTION, Output.SWEEP_LOG_GROUP, sweep.function, "sweep")
    if guard is not None:
        function, log_group = Output.CONNECT_GUARD_FUNCTION, Output.CONNECT_GUARD_LOG_GROUP
        yield from _of_function(function, log_group, guard.function, "connect guard")
        what = "Client certificate callback of the guarded domain configuration"
        yield Output.CONNECT_GUARD_CALLBACK_ARN, guard.callback_arn, what
        what = "Domain configuration that devices connect to"
        yield Output.CONNECT_GUARD_DOMAIN_CONFIGURATION, guard.domain_configuration, what


def _of_function(
    name: Output, log_group: Output, function: JitrFunction, what: str
) -> Iterator[tuple[str, str, str]]:
    yield name, function.function.function_name, f"Function of the {what}"
    yield log_group, function.log_group.log_group_name, f"Log of the {what}"


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
