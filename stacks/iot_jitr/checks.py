"""What a pipeline refuses before it makes anything: options out of range, and options that contradict others.

An option that another one leaves without effect is refused like a contradiction: who sets it expects it to do
something. The message names both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from iot_jitr.encryption import Encryption
from iot_jitr.observability import AlarmOption, AlarmSettings
from iot_jitr.retention import RETENTION_OF
from iot_jitr.validation import ConfigurationError
from iot_jitr_policy.client_id import UnknownClientIdError
from iot_jitr_runtime.outcomes import Reason

if TYPE_CHECKING:
    from constructs import Construct

_OF_THINGS = frozenset({Reason.INVALID_THING_NAME, Reason.INVALID_THING_ATTRIBUTE, Reason.THING_TAKEN})


@dataclass(frozen=True)
class Options:
    """The options of a pipeline that have something to do with one another."""

    cas: Sequence[CaConfiguration]
    devices: DeviceProfile
    revocation: RevocationSettings | None
    """None: not given."""
    connect_guard: ConnectGuard | None
    alarms: AlarmOption
    account_logging: AccountLoggingMode
    log_retention: logs.RetentionDays
    encryption: Encryption


def check(options: Options) -> None:
    """Refuse `options` that are out of range or contradict one another.

    Raises:
        ConfigurationError: They do; the first one is named.
    """
    for error in _errors(options):
        raise error


def warn_of_unchecked_revocation(scope: "Construct", cas: Sequence[CaConfiguration]) -> None:
    """Say at the synthesis which CAs' certificates are activated without a revocation check."""
    for ca in cas:
        if isinstance(ca.revocation, NoRevocation):
            cdk.Annotations.of(scope).add_warning_v2(
                f"iot-jitr:no-revocation:{ca.name}",
                f"CA '{ca.name}' has revocation: none, so its certificates are activated without a check "
                "against a revocation list; a stolen device key stays good until its certificate expires",
            )


def warn_of_ca_devices(scope: "Construct", cas: Sequence[CaConfiguration]) -> None:
    """Say at the synthesis which CAs' devices may present a CA certificate."""
    for ca in cas:
        if ca.accept_ca_certificates_as_devices:
            cdk.Annotations.of(scope).add_warning_v2(
                f"iot-jitr:ca-certificates-as-devices:{ca.name}",
                f"CA '{ca.name}' has accept_ca_certificates_as_devices, so a device may present a "
                "certificate with basicConstraints CA:TRUE; issue new certificates without it, then remove "
                "the option",
            )


def _errors(options: Options) -> Iterator[ConfigurationError]:
    names = [ca.name for ca in options.cas]
    if not names or len(set(names)) != len(names):
        yield ConfigurationError("cas", ", ".join(names) or "no CA", "at least one CA, each name once")
    if options.log_retention not in RETENTION_OF.values():
        yield ConfigurationError("log_retention", options.log_retention.name, "ONE_DAY to TEN_YEARS")
    if options.encryption.is_alias:
        yield ConfigurationError(
            "encryption_key", "an alias", "the key itself, arn:…:key/…: a permission can name no alias"
        )
    if all(isinstance(ca.revocation, NoRevocation) for ca in options.cas):
        yield from _without_revocation(options)
    yield from _of_sessions(options)
    yield from _without_account_log(options)
    yield from _of_refusals(options.devices)


def _without_revocation(options: Options) -> Iterator[ConfigurationError]:
    why = "no CA has a CRL (each has revocation: none)"
    give = "a CRL for a CA, or nothing here"
    if options.revocation is not None:
        yield ConfigurationError("revocation", f"settings, and {why}", give)
    if options.connect_guard is not None:
        yield ConfigurationError("connect_guard", f"a guard, and {why}", give)
    alarms = options.alarms
    if isinstance(alarms, AlarmSettings) and alarms.crl_time_left != AlarmSettings().crl_time_left:
        yield ConfigurationError("alarms.crl_time_left", f"a threshold, and {why}", give)
    if Reason.REVOKED in options.devices.on_refusal:
        yield ConfigurationError("on_refusal", f"'{Reason.REVOKED}', and {why}", give)


def _of_sessions(options: Options) -> Iterator[ConfigurationError]:
    if options.revocation is None or not options.revocation.close_sessions:
        return
    try:
        _ = options.devices.client_id
    except UnknownClientIdError as unknown:
        yield ConfigurationError(
            "revocation.close_sessions",
            f"true, and {unknown}",
            "a device policy that gives each certificate one client id, or nothing here",
        )


def _without_account_log(options: Options) -> Iterator[ConfigurationError]:
    if options.account_logging is not AccountLoggingMode.NONE or not isinstance(
        options.alarms, AlarmSettings
    ):
        return
    if options.alarms.registration_failures != AlarmSettings().registration_failures:
        yield ConfigurationError(
            "alarms.registration_failures",
            "a threshold with account_logging: none, so that AWS IoT's own log is not read",
            "account_logging: manage or adopt, or nothing here",
        )


def _of_refusals(devices: DeviceProfile) -> Iterator[ConfigurationError]:
    statuses: Mapping[str, str] = devices.on_refusal
    if devices.things is None:
        for reason in sorted(_OF_THINGS & set(statuses)):
            yield ConfigurationError(
                "on_refusal", f"'{reason}', and no things are registered", "things, or another reason"
            )
    has_function = isinstance(devices.admission, AdmissionFunction)
    if Reason.REFUSED_BY_FUNCTION in statuses and not has_function:
        yield ConfigurationError(
            "on_refusal",
            f"'{Reason.REFUSED_BY_FUNCTION}', and no admission function is configured",
            "admission by a function, or another reason",
        )
