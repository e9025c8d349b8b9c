"""Admission by the user's own Lambda function, called for each device."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from iot_jitr_runtime.admission.facts import UnreadableAnswerError, facts, read_answer
from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.outcomes import DeferredError, Reason, RefusedError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_CONNECT_SECONDS = 2
_LONGEST_ERROR = 300


def client_config(timeout_seconds: int) -> Config:
    """Return the settings of the Lambda client: one attempt, because the queue retries anyway."""
    return Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=timeout_seconds,
        retries={"total_max_attempts": 1},
        user_agent_extra="iot-jitr",
    )


@dataclass(frozen=True)
class AdmissionFunction:
    """Admits the devices that a Lambda function admits.

    Only a clear answer in time counts. Everything else defers the device until the function answers.
    """

    lambda_: "LambdaClient"
    """A client with `client_config`."""
    function: str
    """Name or ARN."""

    def admit(self, device: DeviceCertificate) -> Mapping[str, str]:
        """Return the thing attributes that the function has for the device.

        Raises:
            RefusedError: `REFUSED_BY_FUNCTION`.
            DeferredError: `ADMISSION_FAILED`: an error, no answer in time, or none that can be read.
        """
        try:
            answer = read_answer(self._ask(device))
        except UnreadableAnswerError as error:
            raise _failed(str(error)) from error
        if not answer.admitted:
            raise RefusedError(
                Reason.REFUSED_BY_FUNCTION, answer.reason or "the admission function gave no reason"
            )
        return answer.thing_attributes

    def _ask(self, device: DeviceCertificate) -> bytes:
        try:
            response = self.lambda_.invoke(FunctionName=self.function, Payload=json.dumps(facts(device)))
            payload = response["Payload"].read()
        except ReadTimeoutError as error:
            raise _failed("the admission function did not answer in time") from error
        except self.lambda_.exceptions.ResourceNotFoundException as error:
            raise _failed(f"there is no admission function '{self.function}'") from error
        if response.get("FunctionError"):
            raise _failed(f"the admission function failed: {payload[:_LONGEST_ERROR]!r}")
        return payload


def _failed(detail: str) -> DeferredError:
    return DeferredError(Reason.ADMISSION_FAILED, detail)
