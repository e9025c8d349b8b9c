"""Who gets in, and as whom, in other ways than by default: configurations that cdk-nag looks at."""

from dataclasses import replace

from iot_jitr import Admission, DevicePolicy, JitrConfiguration, Renewal, ThingRegistration
from tests.support.stacks import DEFAULTS

IDENTITIES: dict[str, JitrConfiguration] = {
    "allow_list": replace(
        DEFAULTS,
        policy=DevicePolicy.per_device(),
        admission=Admission.allow_list(),
        things=ThingRegistration(
            name="dev:{{common_name}}",
            type="Sensor",
            groups=("fleet", "site-{{organizational_unit}}"),
            renewal=Renewal.ALLOW,
        ),
        on_refusal={"expired": "revoked"},
    ),
    "admission_function": replace(
        DEFAULTS,
        admission=Admission.function("arn:aws:lambda:eu-central-1:123456789012:function:is-it-ours"),
        things=ThingRegistration(),
    ),
}
