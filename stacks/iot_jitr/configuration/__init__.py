"""The options of a pipeline, under the same names in Python and in the context `jitr` of `cdk.json`."""

from iot_jitr.configuration.ca import CaConfiguration
from iot_jitr.configuration.connect_guard import (
    AwsManagedDomain,
    ConnectGuard,
    CustomDomain,
    ExistingDomain,
)
from iot_jitr.configuration.jitr import CONTEXT_KEY, AccountLoggingMode, JitrConfiguration, Removal
from iot_jitr.configuration.reconciler import ReconcilerSettings
from iot_jitr.configuration.revocation import (
    CrlBucket,
    CrlUrl,
    NoRevocation,
    Revocation,
    RevocationSettings,
    upload_prefix,
)

__all__ = [
    "CONTEXT_KEY",
    "AccountLoggingMode",
    "AwsManagedDomain",
    "CaConfiguration",
    "ConnectGuard",
    "CrlBucket",
    "CrlUrl",
    "CustomDomain",
    "ExistingDomain",
    "JitrConfiguration",
    "NoRevocation",
    "ReconcilerSettings",
    "Removal",
    "Revocation",
    "RevocationSettings",
    "upload_prefix",
]
