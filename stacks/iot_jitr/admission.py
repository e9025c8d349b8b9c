"""Admission: which of the devices with a valid certificate are expected.

`AllowList()` deploys a table that `jitr allow` fills; `AdmissionFunction(fn)` calls a function of the user.
Without either, every certificate of the deployment's CAs is expected.
"""

from datetime import timedelta
from typing import Annotated, Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from iot_jitr.acknowledgements import acknowledge_wildcard
from iot_jitr.allowed import having, one_of, span, whole_seconds
from iot_jitr.choices import OneOfClasses
from iot_jitr.encryption import Encryption
from iot_jitr.functions import JitrFunction
from iot_jitr.validation import options
from iot_jitr_runtime.admission.keys import TABLE_KEY, KeyKind

DEFAULT_TIMEOUT = timedelta(seconds=5)
LONGEST_TIMEOUT = timedelta(seconds=10)
"""The activator decides a batch in 30 s; for a slower decision there is the allow list."""


@options
class AllowList:
    """Only listed devices are expected; a table is deployed for the list, and `jitr allow load` fills it."""

    key: Annotated[KeyKind | str, one_of(KeyKind)] = KeyKind.CA_SERIAL
    """The kind of key: each certificate by CA and serial number (the default), or each device by a field of
    its certificates' subject, so that renewed certificates need no new entry."""


@options
class AdmissionFunction:
    """Only devices that a function admits are expected; `docs/admission.md` has its input and output.

    Raises:
        ConfigurationError: The time-out is out of its range, or a text is not the ARN of a function.
    """

    function: Annotated[
        lambda_.IFunction | lambda_.Function | lambda_.Alias | str,
        having(
            "function_arn",
            "a Lambda function, or the ARN of one",
            r"arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+(:[A-Za-z0-9_$-]+)?",
        ),
    ]
    """The function, or its ARN. The pipeline's functions are allowed to invoke it. If it is in another
    account and not of this app, that account must allow it, too; a warning says how.
    https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html"""
    timeout: Annotated[timedelta | cdk.Duration, span(timedelta(seconds=1), LONGEST_TIMEOUT)] = (
        DEFAULT_TIMEOUT
    )
    """How long the activator waits for its answer, 1 to 10 seconds. An error or no answer in time defers the
    device: it is not activated, and the function is called again later."""


Admission = AllowList | AdmissionFunction
"""Which devices are expected."""
ADMISSIONS = OneOfClasses(
    {"allow_list": AllowList, "function": AdmissionFunction}, "an object with the type allow_list or function"
)


class AdmissionResource(Construct):
    """An admission, deployed.

    Attributes:
        table: The allow list's table; None for an admission function.
        key: The kind of key of the listed devices.
        setting: The activator's setting, the value of `JITR_ADMISSION`.
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
            encryption: The encryption key of an allow list; without one, DynamoDB's own key.
            removal_policy: Whether an allow list is retained when the stack is deleted.
        """
        super().__init__(scope, construct_id)
        self.key: KeyKind | None = None
        self.table: dynamodb.Table | None = None
        self._arn = ""
        self._of_this_app: lambda_.IFunction | None = None
        if isinstance(admission, AllowList):
            self.key = KeyKind(admission.key)
            self.table = self._allow_list(encryption, removal_policy)
            settings: dict[str, Any] = {
                "kind": "allow_list",
                "table": self.table.table_name,
                "key": self.key.value,
            }
        else:
            function = admission.function
            self._arn = function if isinstance(function, str) else function.function_arn
            if not isinstance(function, str) and cdk.Resource.is_owned_resource(function):
                self._of_this_app = function
            settings = {
                "kind": "function",
                "function": self._arn,
                "timeout_seconds": whole_seconds(admission.timeout),
            }
            self._warn_of_another_account()
        self.setting = cdk.Stack.of(self).to_json_string(settings)

    def grant_call(self, function: JitrFunction) -> None:
        """Allow a function of the pipeline to check whether a device is expected."""
        if self.table is not None:
            function.allow(
                iam.PolicyStatement(actions=["dynamodb:GetItem"], resources=[self.table.table_arn])
            )
            return
        function.allow(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[self._arn]))
        if self._of_this_app is None or self._of_this_app.env.account == cdk.Stack.of(self).account:
            return
        # This changes the function's own policy, which must allow another account.
        self._of_this_app.grant_invoke(function.role)
        acknowledge_wildcard(function.role, f"{self._arn}:*", "grant_invoke covers the function's versions")

    def _warn_of_another_account(self) -> None:
        ours = cdk.Stack.of(self).account
        theirs = ours if cdk.Token.is_unresolved(self._arn) else self._arn.split(":")[4]
        if self._of_this_app is not None or ours == theirs or cdk.Token.is_unresolved(ours):
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
