"""The account and region that the caller's credentials belong to."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from iot_jitr_cli.doctor.facts.fact import fact

if TYPE_CHECKING:
    import boto3


@dataclass(frozen=True)
class Identity:
    """The caller's account, and the time at AWS."""

    account: str
    time: datetime | None
    """AWS's clock when it answered, to the second; None where the answer carried no date."""


class AccountFacts:
    """Facts about the account."""

    def __init__(self, session: "boto3.Session") -> None:
        self._session = session
        self.region: str = session.region_name

    @fact()  # needs no permission
    def identity(self) -> Identity:
        """The caller's account, and AWS's clock."""
        answer = self._session.client("sts").get_caller_identity()
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        return Identity(answer["Account"], parsedate_to_datetime(date) if date else None)

    @fact("iot:DescribeEndpoint")
    def endpoint(self) -> str:
        """Host name that devices of this account and region connect to, without a port."""
        answer = self._session.client("iot").describe_endpoint(endpointType="iot:Data-ATS")
        return answer["endpointAddress"].partition(":")[0].lower()
