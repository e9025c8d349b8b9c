"""A pipeline of another app, described by the outputs of its stack."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from iot_jitr.allowed import CONSTRUCT_ID, Allowed, having, shown, text, texts
from iot_jitr.configuration import CrlBucket, upload_prefix
from iot_jitr.interface import IJitrPipeline
from iot_jitr.observability.metrics import METRICS_NAMESPACE, NAMESPACE, PipelineMetrics
from iot_jitr.outcome_events import BUS_ARN
from iot_jitr.validation import ConfigurationError, checked_in, options
from iot_jitr_runtime.stack_outputs import CA_CERTIFICATE_ID, CRL_LOCATION, Output

EXPORT_PREFIX = r"[A-Za-z0-9:-]{1,100}"
EXPORT_PREFIX_ALLOWED = "1 to 100 letters, digits, : and -"


@options
class ExportedOutputs(Mapping[str, str]):
    """The outputs that another stack of the account and region exports.

    `DeploymentOutputs(pipeline, export_prefix=…)` exports them. The deployment reads only the outputs that
    are used; before the deployment, the names of the outputs are not known.
    """

    export_prefix: Annotated[str, text(EXPORT_PREFIX, EXPORT_PREFIX_ALLOWED)]
    """Prefix of the names of the exports.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html"""

    def __getitem__(self, name: str) -> str:
        return cdk.Fn.import_value(export_name(self.export_prefix, name))

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def export_name(export_prefix: str, output: str) -> str:
    """The name under which an output is exported."""
    return f"{export_prefix}-{output}"


def _read_outputs(value: Any, _: Path) -> Mapping[str, str]:
    """Return the outputs; those of `ExportedOutputs` cannot be listed, and are not copied."""
    return value if isinstance(value, ExportedOutputs) else _TEXTS.read(value, Path())


_TEXTS = texts("a mapping of outputs, or ExportedOutputs")
_OUTPUTS = Allowed(_TEXTS.words, _read_outputs)
_TEXT = text(r".+", "a text")
_REGION = text(r"[a-z]{2}(-[a-z]+)+-[0-9]+", "a region, such as eu-central-1")
_ACCOUNT = text(r"[0-9]{12}", "an account, 12 digits")
KEY = having("key_arn", "a KMS key (kms.IKey)")


class ImportedPipeline(Construct, IJitrPipeline):
    """A pipeline of another app; `JitrPipeline.from_stack_outputs` creates it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        outputs: Mapping[str, str],
        *,
        region: str | None,
        account: str | None,
        encryption_key: kms.IKey | None,
    ) -> None:
        """Import it; the arguments are those of `JitrPipeline.from_stack_outputs`."""
        super().__init__(scope, construct_id)
        self._outputs = outputs
        self._region = region
        self._account = account
        self._key = encryption_key
        self.ledger_table = self._table("Ledger", Output.LEDGER_TABLE)
        self.activation_queue = self._queue("Activation", Output.ACTIVATION_QUEUE_URL)
        self.dead_letter_queue = self._queue("DeadLetters", Output.DEAD_LETTER_QUEUE_URL)
        self.metrics = PipelineMetrics(
            self._output(Output.METRICS_NAMESPACE), self._output(Output.SERVICE_NAME)
        )

    def _output(self, name: str) -> str:
        try:
            return self._outputs[name]
        except KeyError:
            raise ConfigurationError(
                f"{self.node.path}: outputs.{name}", "nothing", "an output of a pipeline that has this part"
            ) from None

    def _table(self, construct_id: str, output: Output) -> dynamodb.ITable:
        arn = self._arn("dynamodb", "table", self._output(output), cdk.ArnFormat.SLASH_RESOURCE_NAME)
        return dynamodb.Table.from_table_attributes(
            self, construct_id, table_arn=arn, grant_index_permissions=True, encryption_key=self._key
        )

    def _queue(self, construct_id: str, output: Output) -> sqs.IQueue:
        url = self._output(output)
        # https://sqs.<region>.amazonaws.com/<account>/<name>
        name = (
            cdk.Fn.select(4, cdk.Fn.split("/", url)) if cdk.Token.is_unresolved(url) else url.split("/")[-1]
        )
        arn = self._arn("sqs", name, None, cdk.ArnFormat.NO_RESOURCE_NAME)
        key = None if self._key is None else self._key.key_arn
        return sqs.Queue.from_queue_attributes(self, construct_id, queue_arn=arn, queue_url=url, key_arn=key)

    def _arn(self, service: str, resource: str, name: str | None, form: cdk.ArnFormat) -> str:
        return cdk.Stack.of(self).format_arn(
            service=service,
            resource=resource,
            resource_name=name,
            region=self._region,
            account=self._account,
            arn_format=form,
        )

    # Resources of optional parts are imported at their first use: a pipeline may not have them.

    @cached_property
    def _event_bus(self) -> events.IEventBus:
        return events.EventBus.from_event_bus_arn(self, "EventBus", self._output(Output.EVENT_BUS))

    @cached_property
    def _allow_list_table(self) -> dynamodb.ITable:
        return self._table("AllowList", Output.ALLOW_LIST_TABLE)

    @cached_property
    def _crls(self) -> s3.IBucket:
        name = self._output(Output.REVOCATION_BUCKET)
        return s3.Bucket.from_bucket_attributes(self, "Crls", bucket_name=name, encryption_key=self._key)

    def _crl_upload(self, ca: str) -> tuple[s3.IBucket, str]:
        own, usual_prefix = f"s3://{self._output(Output.REVOCATION_BUCKET)}/", upload_prefix(CrlBucket(), ca)
        name = f"{ca}{CRL_LOCATION}"
        # An import by attributes lists no location.
        listed = name in self._outputs or any(each.endswith(CRL_LOCATION) for each in self._outputs)
        location = self._output(name) if listed else f"{own}{usual_prefix}"
        if location.startswith(own):
            return self._crls, location.removeprefix(own)
        if cdk.Token.is_unresolved(location):
            raise ConfigurationError(
                f"{self.node.path}: outputs.{name}",
                f"{shown(location)}, and the permission names the prefix in it",
                "the value of the output, as cdk deploy --outputs-file writes it; or an import by "
                f"from_pipeline_attributes, where the prefix is {usual_prefix}",
            )
        raise ConfigurationError(
            f"{self.node.path}: grant_publish_crl",
            f"'{ca}', whose CRLs come from {location}",
            "a CA whose CRLs are uploaded to the pipeline's own bucket",
        )

    def _ca_certificate_id(self, ca: str) -> str:
        return self._output(f"{ca}{CA_CERTIFICATE_ID}")

    def _placed(self, metric: cloudwatch.Metric) -> cloudwatch.Metric:
        stack = cdk.Stack.of(self)
        if self._region in {None, stack.region} and self._account in {None, stack.account}:
            return metric.attach_to(self)
        return metric.with_(region=self._region, account=self._account)


class Importable(IJitrPipeline):
    """Creates an `IJitrPipeline` for a pipeline that another app has deployed."""

    @classmethod
    @checked_in("JitrPipeline")
    def from_stack_outputs(
        cls,
        scope: Construct,
        construct_id: Annotated[str, CONSTRUCT_ID],
        outputs: Annotated[Mapping[str, str], _OUTPUTS],
        *,
        region: Annotated[str | None, _REGION] = None,
        account: Annotated[str | None, _ACCOUNT] = None,
        encryption_key: Annotated[kms.IKey | kms.Key | None, KEY] = None,
    ) -> IJitrPipeline:
        """Import the pipeline of another app by the outputs of its stack (`DeploymentOutputs`).

        Args:
            scope: The stack or construct it is used in.
            construct_id: Its name there.
            outputs: Name of each output → its value, as `cdk deploy --outputs-file` writes them for the
                stack; or `ExportedOutputs`, for a stack of the same account and region that exports them.
                https://docs.aws.amazon.com/cdk/v2/guide/ref-cli-cmd-deploy.html
            region: Its region; None: that of the stack it is used in.
            account: Its account; None: that of the stack it is used in.
            encryption_key: The key that encrypts it, if it has one of its own: grants then cover the key.

        Raises:
            ConfigurationError: An output is missing; raised when its resource is used.
        """
        return ImportedPipeline(
            scope, construct_id, outputs, region=region, account=account, encryption_key=encryption_key
        )

    @classmethod
    @checked_in("JitrPipeline")
    def from_pipeline_attributes(
        cls,
        scope: Construct,
        construct_id: Annotated[str, CONSTRUCT_ID],
        *,
        ledger_table_name: Annotated[str, _TEXT],
        activation_queue_url: Annotated[str, _TEXT],
        dead_letter_queue_url: Annotated[str, _TEXT],
        service_name: Annotated[str, _TEXT],
        metrics_namespace: Annotated[str, NAMESPACE] = METRICS_NAMESPACE,
        allow_list_table_name: Annotated[str | None, _TEXT] = None,
        revocation_bucket_name: Annotated[str | None, _TEXT] = None,
        event_bus_arn: Annotated[str | None, text(BUS_ARN, "the ARN of an event bus")] = None,
        ca_certificate_ids: Annotated[Mapping[str, str] | None, texts("a mapping of names to ids")] = None,
        region: Annotated[str | None, _REGION] = None,
        account: Annotated[str | None, _ACCOUNT] = None,
        encryption_key: Annotated[kms.IKey | kms.Key | None, KEY] = None,
    ) -> IJitrPipeline:
        """Import a pipeline of another app by its parts.

        Args:
            scope: The stack or construct it is used in.
            construct_id: Its name there.
            ledger_table_name: Name of the ledger's table.
            activation_queue_url: URL of the activation queue.
            dead_letter_queue_url: URL of the dead-letter queue.
            service_name: Value of the metrics' dimension `service`: stack name and path of the pipeline.
            metrics_namespace: CloudWatch namespace of its metrics.
            allow_list_table_name: Name of the allow list's table; None where it has none.
            revocation_bucket_name: Name of the bucket of CRLs; None where no CA has a CRL.
            event_bus_arn: ARN of the bus of its outcome events; None if it has none.
            ca_certificate_ids: Name of each CA → id of its certificate; none by default.
            region: Its region; None: that of the stack it is used in.
            account: Its account; None: that of the stack it is used in.
            encryption_key: The key that encrypts it, if it has one of its own: grants then cover the key.

        Raises:
            ConfigurationError: A part is missing; raised when it is used.
        """
        parts = {
            Output.LEDGER_TABLE.value: ledger_table_name,
            Output.ACTIVATION_QUEUE_URL.value: activation_queue_url,
            Output.DEAD_LETTER_QUEUE_URL.value: dead_letter_queue_url,
            Output.SERVICE_NAME.value: service_name,
            Output.METRICS_NAMESPACE.value: metrics_namespace,
            Output.ALLOW_LIST_TABLE.value: allow_list_table_name,
            Output.REVOCATION_BUCKET.value: revocation_bucket_name,
            Output.EVENT_BUS.value: event_bus_arn,
            **{f"{ca}{CA_CERTIFICATE_ID}": value for ca, value in (ca_certificate_ids or {}).items()},
        }
        outputs = {name: value for name, value in parts.items() if value is not None}
        return cls.from_stack_outputs(
            scope, construct_id, outputs, region=region, account=account, encryption_key=encryption_key
        )
