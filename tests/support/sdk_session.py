"""A boto3 session without AWS: a function returns the responses.

Each call goes through the real client of the SDK; request and response are validated by the service's model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore.validate import validate_parameters

REGION = "eu-central-1"


@dataclass(frozen=True)
class Refusal:
    """An error code with which AWS refuses a call."""

    code: str
    message: str = "no"


DENIED = Refusal("AccessDeniedException")
GONE = Refusal("ResourceNotFoundException")


@cache
def _client(service: str) -> Any:
    # Making a client takes longer than a test.
    return boto3.client(
        service,  # type: ignore[call-overload]
        region_name=REGION,
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )


class Session:
    """A session whose responses are made by a function of the IAM action and the parameters."""

    region_name = REGION

    def __init__(self, respond: Callable[[str, dict[str, Any]], Any]) -> None:
        self._respond = respond

    def get_partition_for_region(self, _region: str) -> str:
        return "aws"

    def client(self, service: str) -> Any:
        made = _client(service)
        client: Any = object.__new__(type(made))
        vars(client).update(vars(made))
        prefix = {"iot-data": "iot", "service-quotas": "servicequotas"}.get(service, service)

        def call(operation: str, parameters: dict[str, Any]) -> Any:
            model = client.meta.service_model.operation_model(operation)
            validate_parameters(parameters, model.input_shape)
            response = self._respond(f"{prefix}:{operation}", parameters)
            if isinstance(response, Refusal):
                details = {"Code": response.code, "Message": response.message}
                error = {"Error": details, "ResponseMetadata": {"HTTPStatusCode": 400}}
                raise client.exceptions.from_code(response.code)(error, operation)
            if isinstance(response, Exception):
                raise response
            body = {name: value for name, value in response.items() if name != "ResponseMetadata"}
            validate_parameters(body, model.output_shape)
            return response

        client._make_api_call = call
        return client
