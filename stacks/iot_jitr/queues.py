"""The activation queue, which receives every registration event, and its dead-letter queue."""

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from iot_jitr.allowed import as_duration
from iot_jitr.capacity import MAXIMUM_RECEIVE_COUNT, RETENTION_DAYS
from iot_jitr.encryption import Encryption

if TYPE_CHECKING:
    from iot_jitr.capacity import Capacity


class ActivationQueues(Construct):
    """A standard queue and its dead-letter queue, both encrypted and kept for 14 days from the first enqueue.

    The maximum receive count is only a safeguard: the activator itself sends a permanent error to the
    dead-letter queue, and a deferred message may wait for days.

    Attributes:
        activation: Registration events on their way to the activator.
        dead_letters: Messages that can never be decided, and events that a topic rule could not deliver.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, capacity: "Capacity", encryption: Encryption
    ) -> None:
        """Create both queues, encrypted with the key of `encryption`, or with SQS's own key."""
        super().__init__(scope, construct_id)
        kind = sqs.QueueEncryption
        of_both: dict[str, Any] = {
            "encryption": kind.SQS_MANAGED if encryption.key is None else kind.KMS,
            "encryption_master_key": encryption.key,
            "enforce_ssl": True,
            "retention_period": cdk.Duration.days(RETENTION_DAYS),
        }
        self.dead_letters = sqs.Queue(self, "DeadLetters", **of_both)
        self.activation = sqs.Queue(
            self,
            "Activation",
            **of_both,
            visibility_timeout=as_duration(capacity.visibility_timeout),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letters, max_receive_count=MAXIMUM_RECEIVE_COUNT
            ),
        )
