"""AWS IoT just-in-time registration: `JitrPipeline` for any CDK stack, `JitrStack` as the app deploys it."""

from iot_jitr.capacity import Capacity
from iot_jitr.configuration import CaConfiguration, ConfigurationError, JitrConfiguration, NoRevocation
from iot_jitr.pipeline import JitrPipeline
from iot_jitr.policy import DevicePolicy, DevicePolicyError, PolicyOption
from iot_jitr.stack import JitrStack
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaStatus, Mode, OnDelete, OnExisting
from iot_jitr_runtime.ca_registration.sources import (
    KmsSource,
    NoSource,
    PresignedSource,
    PrivateCaSource,
    SecretSource,
)

__all__ = [
    "AutoRegistration",
    "CaConfiguration",
    "CaStatus",
    "Capacity",
    "ConfigurationError",
    "DevicePolicy",
    "DevicePolicyError",
    "JitrConfiguration",
    "JitrPipeline",
    "JitrStack",
    "KmsSource",
    "Mode",
    "NoRevocation",
    "NoSource",
    "OnDelete",
    "OnExisting",
    "PolicyOption",
    "PresignedSource",
    "PrivateCaSource",
    "SecretSource",
]
