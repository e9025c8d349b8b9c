"""The benchmark's replacement for the lab's launcher: MiniStack with a queue that does not scan.

MiniStack stores a queue's messages in a list and iterates over the whole list for each receive and delete.
With some thousand messages, two cores measure that list instead of the pipeline. Here the two calls of the
event source end at the messages that they need. Their behaviour is the same, except for two cases that do not
occur in a storm: messages older than the queue's retention, and the dead-letter queue after 1,000 receives.
"""

import sys
import time
from itertools import islice
from typing import Any

from iot_jitr_cli.lab import launcher


def _install() -> None:
    from ministack.services import sqs  # type: ignore[import-untyped]  # starts logging when imported

    def receive(queue_url: str, max_number: int) -> list[dict[str, Any]]:
        with sqs._queues_lock:  # noqa: SLF001
            queue = sqs._get_q(queue_url)  # noqa: SLF001
            now = time.time()
            hidden_until = now + int(queue["attributes"]["VisibilityTimeout"])
            visible = (message for message in queue["messages"] if message["visible_at"] <= now)
            received = list(islice(visible, max_number))
            for message in received:
                sqs._ensure_msg_fields(message)  # noqa: SLF001
                message["receipt_handle"] = sqs.new_uuid()
                message["visible_at"] = hidden_until
                message["receive_count"] += 1
                message["first_receive_at"] = message["first_receive_at"] or now
            return received

    def delete(queue_url: str, receipt_handles: set[str]) -> None:
        with sqs._queues_lock:  # noqa: SLF001
            messages = sqs._get_q(queue_url)["messages"]  # noqa: SLF001
            theirs = (
                place
                for place, message in enumerate(messages)
                if message.get("receipt_handle") in receipt_handles
            )
            for place in reversed(list(islice(theirs, len(receipt_handles)))):
                del messages[place]

    sqs._receive_messages_for_esm = receive  # noqa: SLF001
    sqs._delete_messages_for_esm = delete  # noqa: SLF001


if __name__ == "__main__":
    _install()
    launcher.run(*sys.argv[1:])
