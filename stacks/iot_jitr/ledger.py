"""The ledger: the decision of this pipeline about each certificate."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from iot_jitr.encryption import Encryption
from iot_jitr_runtime.ledger_table import (
    KEY,
    RELEASE_AT,
    SERIAL_INDEX,
    SERIAL_INDEX_KEY,
    SUSPENDED_INDEX,
    SUSPENDED_UNDER,
    SWEEP_PREFIX,
    TASK,
    TASK_DUE_AT,
    TASK_INDEX,
    TTL_ATTRIBUTE,
)
from iot_jitr_runtime.outcome_events import OWED_INDEX, OWED_SHARD, OWED_SINCE


class Ledger(Construct):
    """A DynamoDB table with one row for each certificate, also found by its CA and serial number.

    Attributes:
        table: The table, paid by request, with point-in-time recovery.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        encryption: Encryption,
        removal_policy: cdk.RemovalPolicy,
    ) -> None:
        """Create the table, encrypted with the key of `encryption`, or with DynamoDB's own key."""
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name=KEY, type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute=TTL_ATTRIBUTE,
            encryption_key=encryption.key,
            removal_policy=removal_policy,
        )
        # For revoked serial numbers: a search in AWS IoT would be limited to 10 calls a second.
        self._add_index(SERIAL_INDEX, SERIAL_INDEX_KEY)
        # Only rows with a scheduled task are in it: the end of a grace period, a policy to delete.
        self._add_index(TASK_INDEX, TASK, TASK_DUE_AT)
        # Only suspended certificates are in it, which are checked whenever a CA has a new CRL.
        self._add_index(SUSPENDED_INDEX, SUSPENDED_UNDER, RELEASE_AT)

    def add_owed_events_index(self) -> None:
        """Add the index of the rows that owe an outcome event; most of the time it is empty."""
        self._add_index(OWED_INDEX, OWED_SHARD, OWED_SINCE)

    def _add_index(self, name: str, key: str, time: str | None = None) -> None:
        """Add an index of the rows that have the attribute `key`, sorted by `time`."""
        number = dynamodb.AttributeType.NUMBER
        self.table.add_global_secondary_index(
            index_name=name,
            partition_key=dynamodb.Attribute(name=key, type=dynamodb.AttributeType.STRING),
            sort_key=None if time is None else dynamodb.Attribute(name=time, type=number),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )

    def read_owed_events(self) -> iam.PolicyStatement:
        """Allow to find the rows that owe an outcome event."""
        return iam.PolicyStatement(
            actions=["dynamodb:Query"], resources=[f"{self.table.table_arn}/index/{OWED_INDEX}"]
        )

    def change_certificates(self) -> iam.PolicyStatement:
        """Allow to read and write every item but the state of a sweep.

        That state contains an operator's confirmation of a mass revocation, for which the sweep waits.
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
        """
        return iam.PolicyStatement(
            actions=["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
            resources=[self.table.table_arn],
            conditions={"ForAllValues:StringNotLike": {"dynamodb:LeadingKeys": [f"{SWEEP_PREFIX}*"]}},
        )
