"""What a pipeline refuses before it makes anything: options out of range, and options that contradict others.

An option that another one leaves without effect is refused like a contradiction: it is set because it is to
have an effect. The message names both.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_logs as logs

from iot_jitr.admission import AdmissionFunction
from iot_jitr.configuration import (
    AccountLoggingMode,
    CaConfiguration,
    ConnectGuard,
    NoRevocation,
    RevocationSettings,
)
from iot_jitr.devices import DeviceProfile
from iot_jitr.encryption import Encryption, is_alias
from iot_jitr.observability import AlarmOption, AlarmSettings
from iot_jitr.retention import RETENTION_OF
from iot_jitr.validation import ConfigurationError
from iot_jitr_policy.client_id import UnknownClientIdError
from iot_jitr_runtime.outcomes import Reason

if TYPE_CHECKING:
    from constructs import Construct

_OF_THINGS = frozenset({Reason.INVALID_THING_NAME, Reason.INVALID_THING_ATTRIBUTE, Reason.THING_TAKEN})
_DEFAULTS = AlarmSettings()


def check(
    *,
    cas: Sequence[CaConfiguration],
    devices: DeviceProfile,
    revocation: RevocationSettings | None,
    connect_guard: ConnectGuard | None,
    alarms: AlarmOption,
    account_logging: AccountLoggingMode,
    log_retention: logs.RetentionDays,
    encryption: Encryption,
) -> None:
    """Refuse options of a pipeline that are out of range or contradict one another.

    Raises:
        ConfigurationError: An option is refused; the message names the first one.
    """
    names = [ca.name for ca in cas]
    if not names or len(set(names)) != len(names):
        raise ConfigurationError("cas", ", ".join(names) or "no CA", "at least one CA, each name once")
    if log_retention not in RETENTION_OF.values():
        raise ConfigurationError("log_retention", log_retention.name, "ONE_DAY to TEN_YEARS")
    if encryption.key is not None and is_alias(encryption.key):
        raise ConfigurationError(
            "encryption_key", "an alias", "the key itself, arn:…:key/…: a permission can name no alias"
        )
    thresholds = alarms if isinstance(alarms, AlarmSettings) else _DEFAULTS
    if all(isinstance(ca.revocation, NoRevocation) for ca in cas):
        _check_without_crl(devices, revocation, connect_guard, thresholds)
    if revocation is not None and revocation.close_sessions:
        _check_client_id(devices)
    if (
        account_logging is AccountLoggingMode.NONE
        and thresholds.registration_failures != _DEFAULTS.registration_failures
    ):
        raise ConfigurationError(
            "alarms.registration_failures",
            "a threshold with account_logging: none, so that AWS IoT's own log is not read",
            "account_logging: manage or adopt, or nothing here",
        )
    _check_refusals(devices)


def _check_without_crl(
    devices: DeviceProfile,
    revocation: RevocationSettings | None,
    connect_guard: ConnectGuard | None,
    alarms: AlarmSettings,
) -> None:
    for option, found, without_effect in (
        ("revocation", "settings", revocation is not None),
        ("connect_guard", "a guard", connect_guard is not None),
        ("alarms.crl_time_left", "a threshold", alarms.crl_time_left != _DEFAULTS.crl_time_left),
        ("on_refusal", f"'{Reason.REVOKED}'", Reason.REVOKED in devices.on_refusal),
    ):
        if without_effect:
            raise ConfigurationError(
                option,
                f"{found}, and no CA has a CRL (each has revocation: none)",
                "a CRL for a CA, or nothing here",
            )


def _check_client_id(devices: DeviceProfile) -> None:
    try:
        _ = devices.client_id
    except UnknownClientIdError as unknown:
        raise ConfigurationError(
            "revocation.close_sessions",
            f"true, and {unknown}",
            "a device policy that gives each certificate one client id, or nothing here",
        ) from unknown


def _check_refusals(devices: DeviceProfile) -> None:
    refused = set(devices.on_refusal)
    if devices.things is None and (of_things := sorted(_OF_THINGS & refused)):
        raise ConfigurationError(
            "on_refusal", f"'{of_things[0]}', and no things are registered", "things, or another reason"
        )
    has_function = isinstance(devices.admission, AdmissionFunction)
    if Reason.REFUSED_BY_FUNCTION in refused and not has_function:
        raise ConfigurationError(
            "on_refusal",
            f"'{Reason.REFUSED_BY_FUNCTION}', and no admission function is configured",
            "admission by a function, or another reason",
        )


def warn_of_unchecked_revocation(scope: "Construct", cas: Sequence[CaConfiguration]) -> None:
    """Warn at synthesis of CAs whose certificates are activated without a revocation check."""
    for ca in cas:
        if isinstance(ca.revocation, NoRevocation):
            cdk.Annotations.of(scope).add_warning_v2(
                f"iot-jitr:no-revocation:{ca.name}",
                f"CA '{ca.name}' has revocation: none, so its certificates are activated without a check "
                "against a revocation list; a stolen device key stays good until its certificate expires",
            )


def warn_of_ca_devices(scope: "Construct", cas: Sequence[CaConfiguration]) -> None:
    """Warn at synthesis of CAs whose devices may present a CA certificate."""
    for ca in cas:
        if ca.accept_ca_certificates_as_devices:
            cdk.Annotations.of(scope).add_warning_v2(
                f"iot-jitr:ca-certificates-as-devices:{ca.name}",
                f"CA '{ca.name}' has accept_ca_certificates_as_devices, so a device may present a "
                "certificate with basicConstraints CA:TRUE; issue new certificates without it, then remove "
                "the option",
            )
