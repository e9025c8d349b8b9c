"""AWS IoT just-in-time registration: `JitrPipeline` for any CDK stack, `JitrStack` for the app."""

from iot_jitr.admission import AdmissionFunction, AllowList
from iot_jitr.bundling.asset import BundlingError
from iot_jitr.ca_registration import CaTwiceError
from iot_jitr.capacity import Capacity
from iot_jitr.configuration import (
    AccountLoggingMode,
    AwsManagedDomain,
    CaConfiguration,
    ConnectGuard,
    CrlBucket,
    CrlUrl,
    CustomDomain,
    ExistingDomain,
    JitrConfiguration,
    NoRevocation,
    ReconcilerSettings,
    RevocationSettings,
)
from iot_jitr.function_environment import EnvironmentTooLargeError
from iot_jitr.functions import LogLevel
from iot_jitr.imported import ExportedOutputs
from iot_jitr.interface import IJitrPipeline
from iot_jitr.network import FunctionNetwork
from iot_jitr.observability import AlarmName, AlarmSettings
from iot_jitr.outcome_events import OutcomeEvents
from iot_jitr.outputs import DeploymentOutputs
from iot_jitr.pipeline import JitrPipeline
from iot_jitr.policy import DevicePolicy, DevicePolicyError, PolicyOption
from iot_jitr.stack import JitrStack
from iot_jitr.things import ThingRegistration
from iot_jitr.validation import ConfigurationError
from iot_jitr_policy.lint import PolicyRejectedError
from iot_jitr_runtime.admission.keys import KeyKind
from iot_jitr_runtime.ca_registration.kms import KmsEcKey, KmsRsaKey
from iot_jitr_runtime.ca_registration.properties import CaStatus, Mode, OnDelete, OnExisting
from iot_jitr_runtime.ca_registration.signers import (
    KmsSigner,
    NoSigner,
    PresignedSigner,
    PrivateCaSigner,
    SecretSigner,
)
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, CaFault
from iot_jitr_runtime.connect_guard import OnUnknown
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.outcomes import Outcome, Reason
from iot_jitr_runtime.policy import PolicyKind
from iot_jitr_runtime.things.settings import Attachment, Renewal

__all__ = [
    "AccountLoggingMode",
    "AdmissionFunction",
    "AlarmName",
    "AlarmSettings",
    "AllowList",
    "Attachment",
    "AwsManagedDomain",
    "BundlingError",
    "CaCertificateError",
    "CaConfiguration",
    "CaFault",
    "CaStatus",
    "CaTwiceError",
    "Capacity",
    "ConfigurationError",
    "ConnectGuard",
    "CrlBucket",
    "CrlUrl",
    "CustomDomain",
    "DeploymentOutputs",
    "DevicePolicy",
    "DevicePolicyError",
    "EnvironmentTooLargeError",
    "ExistingDomain",
    "ExportedOutputs",
    "FunctionNetwork",
    "IJitrPipeline",
    "JitrConfiguration",
    "JitrError",
    "JitrPipeline",
    "JitrStack",
    "KeyKind",
    "KmsEcKey",
    "KmsRsaKey",
    "KmsSigner",
    "LogLevel",
    "Metric",
    "Mode",
    "NoRevocation",
    "NoSigner",
    "OnDelete",
    "OnExisting",
    "OnUnknown",
    "Outcome",
    "OutcomeEvents",
    "PolicyKind",
    "PolicyOption",
    "PolicyRejectedError",
    "PresignedSigner",
    "PrivateCaSigner",
    "Reason",
    "ReconcilerSettings",
    "Renewal",
    "RevocationSettings",
    "SecretSigner",
    "ThingRegistration",
]
