"""The `jitr` context of `cdk.json`, parsed into typed, validated configuration."""

from iot_jitr.configuration.ca import CaConfiguration
from iot_jitr.configuration.jitr import JitrConfiguration, Removal
from iot_jitr.configuration.observability import (
    AccountLoggingMode,
    AlarmConfiguration,
    AlarmThresholds,
)
from iot_jitr.configuration.revocation import (
    CrlBucket,
    CrlUrl,
    NoRevocation,
    Revocation,
    RevocationSettings,
)
from iot_jitr.validation import ConfigurationError

__all__ = [
    "AccountLoggingMode",
    "AlarmConfiguration",
    "AlarmThresholds",
    "CaConfiguration",
    "ConfigurationError",
    "CrlBucket",
    "CrlUrl",
    "JitrConfiguration",
    "NoRevocation",
    "Removal",
    "Revocation",
    "RevocationSettings",
]
