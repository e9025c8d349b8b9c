"""Options of the connect guard: the devices' domain, and the decision without a usable revocation index."""

from datetime import timedelta
from typing import Annotated, Final

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm

from iot_jitr.allowed import flag, having, one_of, refusal, span, text, whole_number
from iot_jitr.choices import OneOfClasses
from iot_jitr.validation import options
from iot_jitr_runtime.connect_guard import OnUnknown

_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)
_CERTIFICATE_ARN = r"arn:[a-z-]+:acm:[a-z0-9-]+:[0-9]{12}:certificate/.+"
_CERTIFICATE = having("certificate_arn", "an ACM certificate, or the ARN of one", _CERTIFICATE_ARN)


@options
class AwsManagedDomain:
    """A domain name and a certificate that AWS IoT creates. In `cdk.json`: `"aws"`."""


@options
class CustomDomain:
    """A domain name of yours. In `cdk.json`: `{"type": "custom", "name": "…", "certificate": "arn:…"}`.

    Raises:
        ConfigurationError: It is no domain name, or no certificate of ACM.
    """

    name: Annotated[
        str,
        text(
            r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]",
            "a domain name in lower case, such as devices.example.com",
        ),
    ]
    """The name that devices connect to and send (SNI), in lower case. You create its DNS record, a CNAME of
    the account's own endpoint.
    https://docs.aws.amazon.com/iot/latest/developerguide/iot-custom-endpoints-configurable-custom.html"""
    certificate: Annotated[acm.ICertificate | str, _CERTIFICATE]
    """The server's certificate in ACM, of this region, for that name; or its ARN.
    https://docs.aws.amazon.com/iot/latest/developerguide/iot-custom-endpoints-configurable-custom.html"""
    validation_certificate: Annotated[acm.ICertificate | str | None, _CERTIFICATE] = None
    """A public certificate in ACM that proves that the name is yours, or its ARN; for a server's certificate
    that was imported into ACM. None: the server's certificate is ACM's own.
    https://docs.aws.amazon.com/iot/latest/apireference/API_CreateDomainConfiguration.html"""


@options
class ExistingDomain:
    """A domain configuration that exists already. In `cdk.json`: `{"type": "existing", "name": "…"}`.

    The deployment does not change it: set its callback to the function by the output
    `ConnectGuardCallbackArn`, see `docs/revocation.md`.

    Raises:
        ConfigurationError: It is no name of a domain configuration.
    """

    name: Annotated[str, text(r"[\w.-]{1,128}", "1 to 128 letters, digits and _ . -")]
    """Name of the domain configuration of this account and region, whose authentication type is AWS_X509 and
    whose protocol is SECURE_MQTT or HTTPS.
    https://docs.aws.amazon.com/iot/latest/apireference/API_DescribeDomainConfiguration.html"""


GuardedDomain = AwsManagedDomain | CustomDomain | ExistingDomain
"""Where guarded devices connect."""

GUARDED_DOMAINS: Final = OneOfClasses(
    {"aws": AwsManagedDomain, "custom": CustomDomain, "existing": ExistingDomain},
    '"aws", a domain name that AWS IoT makes; or {"type": "custom", "name": "…", "certificate": "…"}; '
    'or {"type": "existing", "name": "…"}',
    alone=("aws",),
)


@options
class ConnectGuard:
    """Refuses a device on its CA's list at each TLS handshake, from when the revocation index is published.

    Devices must connect to the guarded domain; the account's own endpoint is not changed. The guard is not
    available in GovCloud. An account may have 10 domain configurations in a region.

    Raises:
        ConfigurationError: A value is out of its range, or two of them contradict one another.
    """

    on_unknown: Annotated[OnUnknown | str, one_of(OnUnknown)]
    """The decision about a connect while there is no usable revocation index of the device's CA: `admit`, as
    without a guard, or `refuse`, which refuses every device of that CA. There is no default."""
    domain: Annotated[GuardedDomain | str, GUARDED_DOMAINS] = "aws"
    """Where devices connect: `"aws"` or `AwsManagedDomain()`, `CustomDomain(…)`, or `ExistingDomain(…)`.
    https://docs.aws.amazon.com/iot/latest/developerguide/customize-client-auth.html"""
    refresh: Annotated[timedelta | cdk.Duration, span(_SECOND, _MINUTE)] = _SECOND
    """The minimum time between an execution environment's checks for a newer index, 1 to 60 seconds. A
    revoked device may still be admitted for this long after the publication."""
    provisioned_concurrency: Annotated[int, whole_number(0, 10_000)] = 0
    """Execution environments that are kept ready, 0 to 10,000. With 0, a connect waits for a start if no
    environment is free. See `docs/cost.md` for the price.
    https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html"""
    snap_start: Annotated[bool, flag()] = False
    """Start from a snapshot, which makes a start faster; not together with `provisioned_concurrency`, and
    not in every region.
    https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html"""

    def __post_init__(self) -> None:
        if self.snap_start and self.provisioned_concurrency:
            raise refusal(
                "snap_start",
                "true with provisioned_concurrency",
                "one of them: Lambda takes no snapshots of environments that are kept ready",
            )
