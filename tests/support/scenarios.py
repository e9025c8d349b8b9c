"""Named configurations that snapshots, cfn-lint and cdk-nag look at."""

from dataclasses import replace
from datetime import timedelta

from iot_jitr import (
    CaConfiguration,
    CrlBucket,
    CrlUrl,
    DevicePolicy,
    JitrConfiguration,
    KmsSource,
    Mode,
    NoRevocation,
    NoSource,
)
from iot_jitr.configuration import AccountLoggingMode, AlarmConfiguration, AlarmThresholds, Removal
from iot_jitr.target import Target
from tests.support.ca_certificates import WORKSHOP
from tests.support.stacks import DEFAULTS, FACTORY_CA

WORKSHOP_CA = CaConfiguration(
    name="Workshop",
    certificate_pem=WORKSHOP,
    mode=Mode.SNI_ONLY,
    signer=NoSource(),
    revocation=NoRevocation(),
)

SCENARIOS: dict[str, JitrConfiguration] = {
    "defaults": DEFAULTS,
    "several_cas": replace(DEFAULTS, cas=(FACTORY_CA, WORKSHOP_CA)),
    "everything_on": replace(
        DEFAULTS,
        cas=(
            replace(FACTORY_CA, signer=KmsSource("arn:aws:kms:eu-central-1:123456789012:key/factory-ca")),
            WORKSHOP_CA,
        ),
        policy=DevicePolicy.per_device(),
        activations_per_second=100,
        log_retention_days=365,
        account_logging=AccountLoggingMode.MANAGE,
        alarms=AlarmConfiguration(
            AlarmThresholds(refused=1000), topic_arn="arn:aws:sns:eu-central-1:123456789012:operators"
        ),
        removal=Removal.DESTROY,
    ),
    "revocation": replace(
        DEFAULTS,
        cas=(
            replace(FACTORY_CA, revocation=CrlBucket(max_age=timedelta(days=2))),
            replace(WORKSHOP_CA, revocation=CrlUrl("https://crl.example.com/workshop.crl")),
        ),
        policy=DevicePolicy.per_device(),
    ),
    "local_cloud": replace(DEFAULTS, target=Target.LOCAL),
}
