"""How often the reconciler searches for certificates without a decision."""

from datetime import timedelta
from typing import Annotated

import aws_cdk as cdk

from iot_jitr.allowed import as_timedelta, refusal, shown, span
from iot_jitr.validation import options

_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


@options
class ReconcilerSettings:
    """How often the reconciler searches for certificates without a decision.

    Raises:
        ConfigurationError: A value is out of its range, or full passes are more frequent than passes.
    """

    every: Annotated[timedelta | cdk.Duration, span(_MINUTE, _DAY, _MINUTE)] = timedelta(hours=1)
    """The interval at which it reads the newest certificates; whole minutes, 1 minute to a day.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html"""
    pending_after: Annotated[timedelta | cdk.Duration, span(_MINUTE, 14 * _DAY)] = timedelta(minutes=15)
    """How long a certificate may be pending, without a decision, before its event counts as lost; 1 minute to
    14 days, as long as the queue keeps messages.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
    full_pass_every: Annotated[timedelta | cdk.Duration, span(_MINUTE, 366 * _DAY)] = timedelta(days=7)
    """The interval at which it reads all certificates; `every` to 366 days.
    https://docs.aws.amazon.com/iot/latest/apireference/API_ListCertificatesByCA.html"""

    def __post_init__(self) -> None:
        if as_timedelta(self.full_pass_every) < as_timedelta(self.every):
            raise refusal(
                "full_pass_every",
                f"{shown(self.full_pass_every)} with every {shown(self.every)}",
                "no less than every",
            )
