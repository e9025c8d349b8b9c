"""Steps that send their own events: a duplicate event, a forged one and a malformed one."""

import secrets
from hashlib import sha256
from typing import Any

from iot_jitr_cli.console import CliError
from iot_jitr_cli.verify.device import NAME
from iot_jitr_cli.verify.run import CheckFailedError, Verification
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.stack_outputs import Output

_FOR_CLOCKS = 2.0
"""Maximum difference between the clocks of Lambda and SQS, in seconds."""


def duplicate(v: Verification) -> str:
    """Send the registration event once more; its outcome must be stale."""
    certificate_id = v.device.certificate_id
    row = v.pipeline.wait_for_row(certificate_id, lambda row: row.state is State.ACTIVATED)
    if row is None:
        raise CheckFailedError("the certificate is ACTIVE, but its row in the ledger is not 'activated'")
    # Events of these seconds are dropped without a record, so such an event would prove nothing.
    settled = v.active_since + (row.valid_until - row.decided_at) / 1000 + _FOR_CLOCKS
    v.pipeline.sleep(max(0.0, settled - v.pipeline.clock()))
    message_id = v.pipeline.send_event(certificate_id)
    decided = v.pipeline.wait_for_row(certificate_id, lambda row: row.waiting_message_id == message_id)
    if decided is None:
        raise CheckFailedError(f"the event was not examined within {v.pipeline.timeout:.0f} s")
    status = v.status()
    if decided.state is not State.ACTIVATED or status != "ACTIVE":
        raise CheckFailedError(f"it changed something: the ledger has {decided.state}, AWS IoT {status}")
    return "stale: the certificate is ACTIVE, nothing was changed"


def forged(v: Verification) -> str:
    """Send an event about a certificate that does not exist."""
    forged = CertificateId(sha256(secrets.token_bytes()).hexdigest())
    v.cleanup.add_row(forged)
    v.pipeline.send_event(forged)
    # Only the row of an unknown certificate expires.
    if not v.pipeline.wait_for_row(forged, lambda row: row.expires_at > 0):
        raise CheckFailedError(f"the event did not end within {v.pipeline.timeout:.0f} s")
    return "given up: AWS IoT has no such certificate"


def malformed(v: Verification) -> str:
    """Send a message that is not a registration event; it must be dead-lettered with its reason."""
    mark = f"{NAME}{secrets.token_hex(8)}"
    url = v.pipeline.deployment[Output.DEAD_LETTER_QUEUE_URL]
    taken: list[Any] = []

    def take() -> bool:
        if not taken and (message := v.pipeline.remove_dead_letter(mark)) is not None:
            taken.append(message)
        return bool(taken)

    def remove() -> None:
        if not take():
            raise CliError(f"the message that holds '{mark}' was not found in it")

    v.cleanup.add("dead-letter queue", f"aws sqs receive-message --queue-url {url}", remove)
    v.pipeline.send_event(mark)
    if not v.pipeline.wait_until(take):
        raise CheckFailedError(f"it is not in the dead-letter queue after {v.pipeline.timeout:.0f} s")
    reason = taken[0].get("MessageAttributes", {}).get("reason", {}).get("StringValue")
    if reason != Reason.MALFORMED_EVENT:
        raise CheckFailedError(f"its reason there is {reason}, expected {Reason.MALFORMED_EVENT}")
    return f"in the dead-letter queue with reason {reason}; removed from it"
