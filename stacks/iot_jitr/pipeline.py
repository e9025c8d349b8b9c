"""`JitrPipeline`: AWS IoT just-in-time registration as one construct for any stack."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from iot_jitr.account_logging import AccountLogging
from iot_jitr.activator import Activator
from iot_jitr.admission import ADMISSIONS, Admission
from iot_jitr.allowed import CONSTRUCT_ID, as_timedelta, did_you_mean, flag, one_of
from iot_jitr.ca_registration import CaRegistration, CaRegistrationProvider
from iot_jitr.capacity import DEFAULT_ACTIVATIONS_PER_SECOND, RATE, Capacity
from iot_jitr.checks import check, warn_of_ca_devices, warn_of_unchecked_revocation
from iot_jitr.configuration import (
    AccountLoggingMode,
    CaConfiguration,
    ConnectGuard,
    ReconcilerSettings,
    RevocationSettings,
)
from iot_jitr.devices import ON_REFUSAL, DeviceProfile, DeviceResources
from iot_jitr.encryption import Encryption
from iot_jitr.functions import FunctionSettings, JitrFunction, LogLevel
from iot_jitr.imported import KEY, Importable
from iot_jitr.ledger import Ledger
from iot_jitr.names import service_name
from iot_jitr.network import FunctionNetwork, connections, with_security_group
from iot_jitr.observability import (
    ALARMS,
    METRICS_NAMESPACE,
    NAMESPACE,
    AlarmName,
    AlarmOption,
    AlarmSettings,
    Observability,
    PipelineMetrics,
    Watched,
)
from iot_jitr.outcome_events import OutcomeEventPublishing, OutcomeEvents
from iot_jitr.parts import PipelineParts
from iot_jitr.policy import DevicePolicy
from iot_jitr.queues import ActivationQueues
from iot_jitr.reconciler import Reconciler
from iot_jitr.revocation import Revocation
from iot_jitr.rules import RegistrationRules
from iot_jitr.things import ThingRegistration
from iot_jitr.validation import ConfigurationError, checked
from iot_jitr_runtime.account_logging.properties import LOG_GROUP, Mode


class JitrPipeline(Construct, Importable):
    """Activates the certificates of devices that connect for the first time with one of your own CA.

    No resource has a fixed physical name, and the construct changes nothing outside of itself, so a stack or
    an account may contain several pipelines.

    Attributes:
        ledger_table: The ledger's table.
        activation_queue: The queue of registration events for the activator.
        dead_letter_queue: Events that could not be decided.
        cas: The registered CA of each name.
        ca_registration: The function that registers them, behind a custom resource for each.
        ledger: The decision about each certificate.
        queues: The activation queue and its dead-letter queue.
        devices: Device policy, admission and things.
        device_policy: What activated devices may do.
        activator: The function that decides about certificates.
        reconciler: The function that finds certificates without a decision.
        revocation: CRLs, their indexes and the sweep; None where no CA has a CRL.
        connect_guard: Refuses listed devices at the handshake; None without one.
        outcome_events: Publishes the outcome of each certificate; None without events.
        rules: The topic rules that feed the activation queue.
        capacity: Activation rate, concurrency and batches.
        metrics: The pipeline's own metrics.
        observability: Alarms, dashboard and saved queries.
        account_logging: AWS IoT's own log; None with `account_logging: none`.
        connections: Network connections of the functions, for security groups that allow their traffic; None
            without a network.
    """

    @checked
    def __init__(
        self,
        scope: Construct,
        construct_id: Annotated[str, CONSTRUCT_ID],
        *,
        cas: Sequence[CaConfiguration],
        device_policy: DevicePolicy | None = None,
        admission: Annotated[Admission | None, ADMISSIONS] = None,
        things: ThingRegistration | None = None,
        on_refusal: Annotated[Mapping[str, str] | None, ON_REFUSAL] = None,
        revocation: RevocationSettings | None = None,
        connect_guard: ConnectGuard | None = None,
        outcome_events: OutcomeEvents | None = None,
        activations_per_second: Annotated[int, RATE] = DEFAULT_ACTIVATIONS_PER_SECOND,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        log_level: Annotated[LogLevel | str, one_of(LogLevel)] = LogLevel.INFO,
        metrics_namespace: Annotated[str, NAMESPACE] = METRICS_NAMESPACE,
        reconciler: ReconcilerSettings | None = None,
        alarms: Annotated[AlarmOption | None, ALARMS] = None,
        dashboard: Annotated[bool, flag()] = True,
        account_logging: Annotated[
            AccountLoggingMode | str, one_of(AccountLoggingMode)
        ] = AccountLoggingMode.NONE,
        encryption_key: Annotated[kms.IKey | kms.Key | None, KEY] = None,
        network: FunctionNetwork | None = None,
        removal_policy: cdk.RemovalPolicy = cdk.RemovalPolicy.RETAIN,
    ) -> None:
        """Create the pipeline.

        Args:
            scope: The stack or construct it belongs to.
            construct_id: Its name there.
            cas: The CAs whose devices are registered just in time; at least one, each name once.
            device_policy: What activated devices may do; `DevicePolicy.shared()` by default.
            admission: Which devices are expected, `AllowList()` or `AdmissionFunction(fn)`; all
                with a valid certificate by default.
            things: The things that devices are registered as; none by default.
            on_refusal: Reason of a refusal → status of its certificate, `pending`, `inactive` or `revoked`;
                all stay pending by default, so that a device is checked again at its next connect. For
                temporary reasons (`not_listed`, `on_hold`, `not_yet_valid`) the status must stay pending.
                https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCertificate.html
            revocation: How CRLs are updated and applied, for all CAs that have one;
                `RevocationSettings()` by default.
            connect_guard: Refuses devices with a revoked certificate at each TLS handshake; none by default.
                https://docs.aws.amazon.com/iot/latest/developerguide/customize-client-auth.html
            outcome_events: Publishes to EventBridge the outcome of each certificate,
                `OutcomeEvents()`; off by default. See `docs/events.md`.
                https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-what-is.html
            activations_per_second: The account's quota of `DescribeCertificate` and `UpdateCertificate`,
                calls a second, 1 to 1,000; 10 by default, which is AWS's default quota.
                https://docs.aws.amazon.com/general/latest/gr/iot-core.html
            log_retention: How long CloudWatch keeps the functions' logs, a day to ten years; a month by
                default.
                https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
            log_level: Level of the functions' structured logs: DEBUG, INFO (the default), WARNING or ERROR.
                https://docs.aws.amazon.com/powertools/python/latest/core/logger/
            metrics_namespace: CloudWatch namespace of the metrics: 1 to 255 of letters, digits and
                `. _ / # : -`, not beginning with `AWS/`.
                https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Namespace
            reconciler: How often certificates without a decision are searched for, and how long one may
                be pending; `ReconcilerSettings()` by default.
            alarms: Thresholds, topic and runbook of the alarms; `AlarmSettings()` by default. `"none"`: no
                alarms.
                https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
            dashboard: Whether there is a CloudWatch dashboard; there is by default.
                https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Dashboards.html
            account_logging: How the stack treats AWS IoT's own log, which contains the errors during
                auto-registration: `none` by default, because there is one log for the whole account.
            encryption_key: Customer managed KMS key, symmetric, of this region, not an alias, for all data at
                rest: queues, ledger, allow list, CRL bucket, logs and environment variables; keys of AWS's
                own by default. See `docs/security.md` for what its policy must allow.
                https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#customer-mgn-key
            network: The VPC that the functions run in; none by default.
            removal_policy: Whether the ledger and an allow list are retained when the stack is deleted;
                retained by default. The shared device policy and the CRL bucket are always retained: active
                devices stay active, and S3 deletes only empty buckets.
                https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html

        Raises:
            ConfigurationError: No CA, a name twice, a value out of its range, or two options that contradict
                one another.
            CaCertificateError: A certificate cannot serve as a CA certificate.
            CaTwiceError: Another pipeline of the app registers one of the CAs in this account and region.
            EnvironmentTooLargeError: The CAs or the URLs of their CRLs exceed Lambda's limit on environment
                variables.
            DevicePolicyError: The policy needs things, and there are none.
        """
        super().__init__(scope, construct_id)
        account_logging = AccountLoggingMode(account_logging)
        alarms = alarms or AlarmSettings()
        reconciler = reconciler or ReconcilerSettings()
        devices = DeviceProfile(device_policy or DevicePolicy(), admission, things, on_refusal or {})
        encryption = Encryption(encryption_key)
        check(
            cas=cas,
            devices=devices,
            revocation=revocation,
            connect_guard=connect_guard,
            alarms=alarms,
            account_logging=account_logging,
            log_retention=log_retention,
            encryption=encryption,
        )
        self.metrics = PipelineMetrics(metrics_namespace, service_name(self))
        managed = account_logging is AccountLoggingMode.MANAGE
        encryption.allow_logs(self, *([LOG_GROUP] if managed else []))
        network = with_security_group(self, network)
        self.connections = connections(network)
        settings = FunctionSettings(
            log_retention, LogLevel(log_level), metrics_namespace, self.metrics.service, encryption, network
        )
        self.capacity = Capacity(activations_per_second)
        self.ledger = Ledger(self, "Ledger", encryption=encryption, removal_policy=removal_policy)
        self.queues = ActivationQueues(self, "Queues", capacity=self.capacity, encryption=encryption)
        self.ledger_table = self.ledger.table
        self.activation_queue = self.queues.activation
        self.dead_letter_queue = self.queues.dead_letters
        self.devices = DeviceResources(
            self,
            devices,
            activator_timeout=self.capacity.function_timeout,
            encryption=encryption,
            removal_policy=removal_policy,
        )
        self.device_policy = self.devices.device_policy
        self.ca_registration = CaRegistrationProvider(self, "CaRegistration", settings=settings)
        self.cas = {
            ca.name: CaRegistration(self, f"Ca{ca.name}", ca=ca, provider=self.ca_registration) for ca in cas
        }
        parts = PipelineParts(self.cas, self.capacity, self.devices, self.ledger, self.queues, settings)
        self.activator = Activator(self, "Activator", parts)
        self.reconciler = Reconciler(self, "Reconciler", parts, reconciler)
        self.revocation = self._revocation(parts, revocation or RevocationSettings(), connect_guard)
        self.connect_guard = None if self.revocation is None else self.revocation.connect_guard
        self.outcome_events = self._outcome_events(outcome_events)
        ca_ids = {name: ca.certificate_id for name, ca in self.cas.items()}
        self.rules = RegistrationRules(
            self,
            "Rules",
            ca_certificate_ids=ca_ids,
            queues=self.queues,
            encryption=encryption,
        )
        self.observability = Observability(
            self,
            "Observability",
            watched=Watched(
                metrics=self.metrics,
                queues=self.queues,
                functions=self._functions(),
                cas=ca_ids,
                cas_with_crl={ca.name: ca_ids[ca.name] for ca in cas if ca.crl_source is not None},
                activations_per_second=activations_per_second,
                closes_sessions=self.revocation is not None and self.revocation.sweep.client_id is not None,
                publishes_events=self.outcome_events is not None,
                reconciled_every=as_timedelta(reconciler.every),
            ),
            alarms=alarms,
            dashboard=dashboard,
        )
        self.account_logging = self._account_logging(account_logging, settings)
        warn_of_unchecked_revocation(self, cas)
        warn_of_ca_devices(self, cas)

    def alarm(self, name: AlarmName | str, *, ca: str | None = None) -> cloudwatch.Alarm:
        """One alarm of this pipeline, for an action or a composite alarm of yours.

        Args:
            name: Its name, see `AlarmName`.
            ca: Name of the CA, for an alarm that each CA has.

        Raises:
            ConfigurationError: This pipeline has no such alarm, or no alarms at all.
        """
        where, alarms = f"{self.node.path}: alarm", self.observability.alarms
        if alarms is None:
            raise ConfigurationError(where, "a pipeline with alarms: none", "a pipeline with alarms")
        return alarms.find(where, name, ca)

    def _outcome_events(self, settings: OutcomeEvents | None) -> OutcomeEventPublishing | None:
        if settings is None:
            return None
        self.ledger.add_owed_events_index()
        publishing = OutcomeEventPublishing(
            self, "OutcomeEvents", settings=settings, pipeline_name=self.metrics.service
        )
        publishing.grant_publish(self.activator.function)
        publishing.grant_publish(self.reconciler.function)
        self.reconciler.function.allow(self.ledger.read_owed_events())
        if self.revocation is not None:
            publishing.grant_publish(self.revocation.sweep.function)
        return publishing

    @property
    def _event_bus(self) -> events.IEventBus:
        if self.outcome_events is None:
            raise ConfigurationError(
                f"{self.node.path}: on_…",
                "a pipeline whose outcome events are off",
                "a pipeline with outcome_events=OutcomeEvents()",
            )
        return self.outcome_events.event_bus

    @property
    def _allow_list_table(self) -> dynamodb.ITable:
        admission = self.devices.admission
        if admission is None or admission.table is None:
            raise ConfigurationError(
                f"{self.node.path}: grant_write_allow_list",
                "a pipeline without an allow list",
                "a pipeline with admission=AllowList()",
            )
        return admission.table

    def _crl_upload(self, ca: str) -> tuple[s3.IBucket, str]:
        uploads = {} if self.revocation is None else self.revocation.uploads
        if self.revocation is None or ca not in uploads:
            raise ConfigurationError(
                f"{self.node.path}: grant_publish_crl",
                f"'{ca}'",
                did_you_mean(ca, uploads)
                + "a CA whose CRLs are uploaded to the pipeline's own bucket, CrlBucket()",
            )
        return self.revocation.bucket.bucket, uploads[ca]

    def _ca_certificate_id(self, ca: str) -> str:
        if ca not in self.cas:
            known = ", ".join(self.cas)
            raise ConfigurationError(
                f"{self.node.path}: metric: ca", f"'{ca}'", did_you_mean(ca, self.cas) + known
            )
        return self.cas[ca].certificate_id

    def _placed(self, metric: cloudwatch.Metric) -> cloudwatch.Metric:
        return metric.attach_to(self)

    def _revocation(
        self, parts: PipelineParts, settings: RevocationSettings, connect_guard: ConnectGuard | None
    ) -> Revocation | None:
        if not any(ca.configuration.crl_source for ca in self.cas.values()):
            return None
        revocation = Revocation(self, "Revocation", parts, settings, connect_guard)
        revocation.grant_check(self.activator.function)
        revocation.grant_check(self.reconciler.function)
        return revocation

    def _functions(self) -> dict[str, JitrFunction]:
        """The functions that are watched, by their names in alarms."""
        found = {"Activator": self.activator.function, "Reconciler": self.reconciler.function}
        if self.revocation is not None:
            found["CrlPublisher"] = self.revocation.publisher.function
            found["Sweep"] = self.revocation.sweep.function
        if self.connect_guard is not None:
            found["ConnectGuard"] = self.connect_guard.function
        return found

    def _account_logging(self, mode: AccountLoggingMode, settings: FunctionSettings) -> AccountLogging | None:
        if mode is AccountLoggingMode.NONE:
            cdk.Annotations.of(self).add_info_v2(
                "iot-jitr:account-logging",
                "errors during auto-registration are written to AWS IoT's own log only, and it is not "
                "read (account_logging: none): set 'manage', which switches it on for the whole account, "
                "or 'adopt' where it is on",
            )
            return None
        logging = AccountLogging(
            self,
            "AccountLogging",
            mode=Mode(mode.value),
            rule_names=[rule.ref for rule in self.rules.rules.values()],
            settings=settings,
        )
        self.observability.watch_account_log(logging)
        return logging
