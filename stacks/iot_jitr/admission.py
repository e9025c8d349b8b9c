"""Admission: which of the devices with a certificate in order are expected.

`Admission.allow_list()` deploys a table that `jitr allow` fills; `Admission.function(fn)` asks a function of
the user's own. Without either, every certificate of the deployment's CAs is expected.
"""

import re
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from iot_jitr.acknowledgements import acknowledge_wildcard
from iot_jitr.encryption import Encryption
from iot_jitr.functions import JitrFunction
from iot_jitr_runtime.admission.keys import TABLE_KEY, KeyKind
from iot_jitr_runtime.errors import JitrError

DEFAULT_TIMEOUT_SECONDS = 5
LONGEST_TIMEOUT_SECONDS = 10
"""The activator decides about a batch in 30 s; a slower answer belongs into an allow list."""


FUNCTION_ARN = r"arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+(:[A-Za-z0-9_$-]+)?"


class AdmissionError(JitrError):
    """An admission contradicts itself."""


@dataclass(frozen=True)
class Admission:
    """Who decides which devices are expected; make one with `allow_list` or `function`.

    Raises:
        AdmissionError: Both or neither, a time-out out of its range or for a list, or no ARN of a function.
    """

    key: KeyKind | None = None
    """For an allow list: by what its devices are listed."""
    asked: lambda_.IFunction | str | None = None
    """For a function: the function, or its ARN.
    https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html"""
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    """For a function: how long its answer is waited for, 1 to 10 seconds."""

    def __post_init__(self) -> None:
        if (self.key is None) is (self.asked is None):
            found = "an allow list and a function" if self.asked else "neither an allow list nor a function"
            raise AdmissionError(f"admission: found {found}, expected one of them")
        if self.asked is None and self.timeout_seconds != DEFAULT_TIMEOUT_SECONDS:
            raise AdmissionError(
                f"admission: found a time-out of {self.timeout_seconds} s and an allow list, which nobody "
                "waits for; expected a function, or no time-out"
            )
        if not 1 <= self.timeout_seconds <= LONGEST_TIMEOUT_SECONDS:
            raise AdmissionError(
                f"admission: found a time-out of {self.timeout_seconds} s, expected 1 to "
                f"{LONGEST_TIMEOUT_SECONDS}"
            )
        arn = self.asked if isinstance(self.asked, str) else None
        if arn is not None and not re.fullmatch(FUNCTION_ARN, arn) and not cdk.Token.is_unresolved(arn):
            raise AdmissionError(f"admission: found '{arn}', expected the ARN of a Lambda function")

    @classmethod
    def allow_list(cls, key: KeyKind = KeyKind.CA_SERIAL) -> "Admission":
        """Devices that stand on a list; a table is deployed for it, and `jitr allow load` fills it.

        Args:
            key: By what they are listed: each certificate by CA and serial number (the default), or each
                device by a field of its certificates' subject, so that renewed certificates need no entry.
        """
        return cls(key=key)

    @classmethod
    def function(
        cls, function: lambda_.IFunction | str, *, timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    ) -> "Admission":
        """Devices that a function admits; `docs/admission.md` documents what it gets and answers.

        Args:
            function: The function, or its ARN. The pipeline's functions are allowed to invoke it. If it is in
                another account and not of this app, that account must allow it, too; a warning says how.
                https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
            timeout_seconds: How long the activator waits for its answer, 1 to 10. An error or no answer in
                time defers the device: it stays out, and is asked about again.

        Raises:
            AdmissionError: The time-out is out of range, or a text is not the ARN of a function.
        """
        return cls(asked=function, timeout_seconds=timeout_seconds)


class AdmissionResource(Construct):
    """An admission, deployed.

    Attributes:
        table: The allow list's table; None where a function is asked.
        key: By what its devices are listed.
        setting: What the activator is told, the value of `JITR_ADMISSION`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        admission: Admission,
        *,
        encryption: Encryption,
        removal_policy: cdk.RemovalPolicy,
    ) -> None:
        """Deploy `admission`.

        Args:
            scope: Where it belongs.
            construct_id: Its name in the construct tree.
            admission: What to deploy.
            encryption: The key of an allow list; without one DynamoDB's own.
            removal_policy: What becomes of an allow list when the stack is deleted.
        """
        super().__init__(scope, construct_id)
        self.key = admission.key
        self._asked = admission.asked
        self.table: dynamodb.Table | None = None
        if admission.key is not None:
            self.table = self._allow_list(encryption, removal_policy)
            told: dict[str, Any] = {
                "kind": "allow_list",
                "table": self.table.table_name,
                "key": admission.key.value,
            }
        else:
            told = {
                "kind": "function",
                "function": self._arn,
                "timeout_seconds": admission.timeout_seconds,
            }
            self._warn_of_another_account()
        self.setting = cdk.Stack.of(self).to_json_string(told)

    def let_ask(self, function: JitrFunction) -> None:
        """Let a function of the pipeline ask whether a device is expected."""
        if self.table is not None:
            function.allow(
                iam.PolicyStatement(actions=["dynamodb:GetItem"], resources=[self.table.table_arn])
            )
        else:
            function.allow(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[self._arn]))
            asked = self._of_this_app
            if asked is not None and asked.env.account != cdk.Stack.of(self).account:
                # This changes the function's own policy, which must allow another account.
                asked.grant_invoke(function.role)
                acknowledge_wildcard(
                    function.role, f"{self._arn}:*", "grant_invoke covers the function's versions"
                )

    @property
    def _of_this_app(self) -> lambda_.IFunction | None:
        """The function, where this app makes it; None where it is imported or named by its ARN."""
        if isinstance(self._asked, str | None) or not cdk.Resource.is_owned_resource(self._asked):
            return None
        return self._asked

    def _warn_of_another_account(self) -> None:
        if self._of_this_app is not None:
            return
        ours = cdk.Stack.of(self).account
        theirs = ours if cdk.Token.is_unresolved(self._arn) else self._arn.split(":")[4]
        if ours == theirs or cdk.Token.is_unresolved(ours):
            return
        cdk.Annotations.of(self).add_warning_v2(
            "iot-jitr:admission-function-of-another-account",
            f"the admission function is in account {theirs}, which must allow account {ours} to invoke it: "
            f"aws lambda add-permission --function-name {self._arn} --statement-id iot-jitr "
            f"--action lambda:InvokeFunction --principal {ours}",
        )

    def _allow_list(self, encryption: Encryption, removal_policy: cdk.RemovalPolicy) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            "AllowList",
            partition_key=dynamodb.Attribute(name=TABLE_KEY, type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            encryption_key=encryption.key,
            removal_policy=removal_policy,
        )

    @property
    def _arn(self) -> str:
        if self._asked is None:
            raise AdmissionError(
                "admission: found neither an allow list nor a function, expected one of them"
            )
        return self._asked if isinstance(self._asked, str) else self._asked.function_arn
