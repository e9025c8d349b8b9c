"""The `jitr` context of `cdk.json`, parsed into typed, validated configuration."""

from iot_jitr.configuration.ca import CaConfiguration
from iot_jitr.configuration.jitr import JitrConfiguration, Removal
from iot_jitr.configuration.observability import (
    AccountLoggingMode,
    AlarmConfiguration,
    AlarmThresholds,
)
from iot_jitr.configuration.reader import ConfigurationError
from iot_jitr.configuration.revocation import NoRevocation, Revocation

__all__ = [
    "AccountLoggingMode",
    "AlarmConfiguration",
    "AlarmThresholds",
    "CaConfiguration",
    "ConfigurationError",
    "JitrConfiguration",
    "NoRevocation",
    "Removal",
    "Revocation",
]
