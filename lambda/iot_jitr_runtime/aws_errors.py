"""The meaning of an error of an AWS call: throttled, denied, or a service that failed.

The activator, the sweep and the reconciler defer for the same reasons.
"""

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from iot_jitr_runtime.outcomes import Reason, Verdict

CLIENT_CONFIG = Config(
    connect_timeout=1,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 3},
    user_agent_extra="iot-jitr",
)
"""Every client of the functions: three attempts of at most 4 s each, with jitter between them.

If a name resolves to several addresses that do not respond, each address costs one connect time-out."""

AwsError = (ClientError, BotoCoreError)
"""All exceptions of a boto3 call: the service returned an error, or could not be reached."""

# AWS IoT's LimitExceededException is not here: it is a quota on resources, and waiting does not help.
THROTTLED = {
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "SlowDown",
}
"""The error codes of AWS services for a throttled call."""
DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedException",
    "ForbiddenException",
    "NotAuthorized",
}
"""The error codes of AWS services for a missing permission."""


def error_code(error: BaseException) -> str:
    """Return the AWS error code, or the exception's class name if no service responded."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code", "Unknown")
    return type(error).__name__


def deferral(error: ClientError | BotoCoreError) -> Verdict:
    """Return the verdict for `error`, a deferral.

    Every AWS error that the calling code does not handle is a deferral: nothing is lost, and the queue
    delivers the message again.
    """
    code = error_code(error)
    if code in THROTTLED:
        return Verdict(Reason.THROTTLED, str(error))
    if code in DENIED:
        return Verdict(Reason.ACCESS_DENIED, str(error))
    return Verdict(Reason.SERVICE_ERROR, str(error))
