"""AWS's list prices of us-east-1 in US dollars, before the free tier, and the items of a bill.

They were entered by hand on 2026-11-26: check them against the pricing pages before you rely on them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """The price of `per` units."""

    dollars: float
    per: int
    unit: str
    page: str
    """The page of AWS with this price."""


_IOT = "https://aws.amazon.com/iot-core/pricing/"
_DYNAMODB = "https://aws.amazon.com/dynamodb/pricing/on-demand/"
_CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
_LAMBDA = "https://aws.amazon.com/lambda/pricing/"
_S3 = "https://aws.amazon.com/s3/pricing/"
_KMS = "https://aws.amazon.com/kms/pricing/"

RULE = Price(0.15, MILLION, "rules triggered", _IOT)
ACTION = Price(0.15, MILLION, "actions executed", _IOT)
MESSAGE = Price(1.00, MILLION, "messages of up to 5 KB", _IOT)
CONNECTION_MINUTE = Price(0.08, MILLION, "minutes of connection", _IOT)
REGISTRY = Price(1.25, MILLION, "operations of the registry", _IOT)
SQS = Price(0.40, MILLION, "requests", "https://aws.amazon.com/sqs/pricing/")
INVOCATION = Price(0.20, MILLION, "invocations", _LAMBDA)
COMPUTE = Price(0.0000133334, 1, "GB-seconds, arm64", _LAMBDA)
KEPT_READY = Price(0.0000033334, 1, "GB-seconds kept ready, arm64", _LAMBDA)
SNAPSHOT = Price(0.0000015046, 1, "GB-seconds of a snapshot", _LAMBDA)
RESTORED = Price(0.0001397998, 1, "GB restored", _LAMBDA)
READ = Price(0.125, MILLION, "read units", _DYNAMODB)
WRITE = Price(0.625, MILLION, "write units", _DYNAMODB)
STORAGE = Price(0.25, 1, "GB a month", _DYNAMODB)
BACKUP = Price(0.20, 1, "GB a month", _DYNAMODB)
LOGS = Price(0.50, 1, "GB of log", _CLOUDWATCH)
ALARM = Price(0.10, 1, "alarms", _CLOUDWATCH)
METRIC = Price(0.30, 1, "metrics", _CLOUDWATCH)
DASHBOARD = Price(3.00, 1, "dashboards", _CLOUDWATCH)
EVENT = Price(1.00, MILLION, "events of up to 64 KB", "https://aws.amazon.com/eventbridge/pricing/")
S3_GET = Price(0.40, MILLION, "GET requests", _S3)
S3_PUT = Price(5.00, MILLION, "PUT and LIST requests", _S3)
SECRET = Price(0.40, 1, "secrets", "https://aws.amazon.com/secrets-manager/pricing/")
KEY = Price(1.00, 1, "keys", _KMS)
KMS_REQUEST = Price(3.00, MILLION, "requests", _KMS)


@dataclass(frozen=True)
class Item:
    """One line of a bill."""

    what: str
    quantity: float
    price: Price

    @property
    def dollars(self) -> float:
        """The cost of the item."""
        return self.quantity / self.price.per * self.price.dollars


def total(items: Iterable[Item]) -> float:
    """Return the dollars of a bill."""
    return sum(item.dollars for item in items)
