"""AWS for the doctor: clients with given answers, held against the service models."""

from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.stub import Stubber

from tests.support import doctor_account as dc

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Cloud:
    """A session whose clients give these answers in order."""

    region_name = dc.REGION

    def __init__(self) -> None:
        self._clients: dict[str, Any] = {}
        self._stubbers: dict[str, Stubber] = {}

    def client(self, name: str) -> Any:
        if name not in self._clients:
            self._clients[name] = boto3.client(
                name,  # type: ignore[call-overload]
                region_name=dc.REGION,
                aws_access_key_id="x",
                aws_secret_access_key="x",
            )
            self._stubbers[name] = Stubber(self._clients[name])
            self._stubbers[name].activate()
        return self._clients[name]

    def answers(self, service: str, operation: str, answer: dict[str, Any], expected: Any = None) -> None:
        self.client(service)
        self._stubbers[service].add_response(operation, answer, expected)

    def refuses(self, service: str, operation: str, code: str, message: str = "no", **extra: Any) -> None:
        self.client(service)
        self._stubbers[service].add_client_error(operation, code, message, **extra)

    def check(self) -> None:
        for stubber in self._stubbers.values():
            stubber.assert_no_pending_responses()


def stack(**outputs: str) -> dict[str, Any]:
    chosen = {**dc.OUTPUTS, **outputs}
    return {
        "Stacks": [
            {
                "StackName": "stack",
                "StackStatus": "CREATE_COMPLETE",
                "CreationTime": NOW,
                "Outputs": [{"OutputKey": str(key), "OutputValue": value} for key, value in chosen.items()],
            }
        ]
    }


def configuration(**variables: str) -> dict[str, Any]:
    return {
        "FunctionName": "activator",
        "Role": dc.ROLE,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "Environment": {"Variables": variables},
    }
