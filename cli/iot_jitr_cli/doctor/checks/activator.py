"""The activator: its state, permissions, errors, backlog and dead letters."""

from iot_jitr_cli.console import printable
from iot_jitr_cli.dead_letters import DeadLetter
from iot_jitr_cli.doctor.case import Case
from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.finding import REVERT_DRIFT, Finding, check, failed, ok, required
from iot_jitr_cli.doctor.log import last_error
from iot_jitr_cli.doctor.reading import UndeterminedError, aws_call
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.stack_outputs import Output

_LONG_BACKLOG_SECONDS = 60
"""A backlog is reported as a cause if its processing takes longer than this."""
_LINE = 300
_RECEIVES = 20
"""Maximum number of calls of `ReceiveMessage`, with ten messages each."""


@check("function", "activator", Cause.FUNCTION_STOPPED)
def check_function(case: Case) -> Finding:
    """The activator exists and may run."""
    function = case.pipeline.activator
    if function is None:
        return failed(
            Cause.FUNCTION_STOPPED,
            f"there is no function {case.pipeline.output(Output.ACTIVATOR_FUNCTION)}",
            f"{REVERT_DRIFT}; waiting events are not lost",
        )
    found = function.configuration
    state, update = found.get("State", "Active"), found.get("LastUpdateStatus", "Successful")
    if "Failed" in {state, update}:
        reason = found.get("StateReason") or found.get("LastUpdateStatusReason") or ""
        return failed(
            Cause.FUNCTION_STOPPED,
            f"{function.name} is {state}, its last update {update}: {reason}",
            "fix what Lambda reports and deploy again",
        )
    with aws_call("lambda:GetFunctionConcurrency"):
        response = case.session.client("lambda").get_function_concurrency(FunctionName=function.name)
    if response.get("ReservedConcurrentExecutions") == 0:
        return failed(
            Cause.FUNCTION_STOPPED,
            f"the reserved concurrency of {function.name} is 0, so it never runs",
            f"aws lambda delete-function-concurrency --function-name {function.name}",
        )
    return ok(f"{function.name} is {state}")


@check("function.role", "activator: role", Cause.FUNCTION_ROLE_BROKEN)
def check_function_role(case: Case) -> Finding:
    """The activator's role has the permissions of an activation."""
    role = required(case.pipeline.activator, "no function to check").configuration["Role"]
    lacking = [
        f"{action} on {resource}"
        for actions, resource in _needed(case)
        for action in case.pipeline.denied(role, actions, resource)
    ]
    row = case.row
    if row is not None and row.reason is Reason.ACCESS_DENIED:
        lacking.append(f"what it was denied last: {row.detail}")
    if lacking:
        return failed(
            Cause.FUNCTION_ROLE_BROKEN,
            f"the role {role} lacks {'; '.join(lacking)}",
            "restore it ('npx cdk deploy --revert-drift' if it was removed by hand); waiting events are kept",
        )
    return ok("all permissions of an activation")


@check("function.errors", "activator: errors", Cause.FUNCTION_FAILING)
def check_function_errors(case: Case) -> Finding:
    """The activator's invocations succeed."""
    row = case.row
    if row is not None and row.reason is Reason.INTERNAL_ERROR:
        return _failing(case, f"while this certificate was validated: {row.detail}")
    queue = case.pipeline.activation_queue
    if queue is not None and queue.messages == 0:
        return ok("no message waits in the activation queue")
    line = last_error(case.pipeline, case.pipeline.output(Output.ACTIVATOR_LOG_GROUP))
    if line is not None:
        return _failing(case, f"last error of the last 15 minutes: {printable(line[:_LINE])}")
    errors = case.pipeline.recent.get("errors", 0)
    if errors:
        return _failing(case, f"{errors:.0f} failed invocations in the last 15 minutes")
    return ok("no error in the last 15 minutes")


@check("backlog", "activation queue: backlog, throttling", Cause.THROTTLED)
def check_backlog(case: Case) -> Finding:
    """The activation queue has no long backlog, and the activator is not throttled."""
    row = case.row
    if row is not None and row.reason in {Reason.THROTTLED, Reason.RATE_LIMITED}:
        return failed(Cause.THROTTLED, f"{row.reason}: {row.detail or 'many others are ahead of it'}")
    queue = required(case.pipeline.activation_queue, "no queue to check")
    pace = case.pipeline.activator.activations_per_second if case.pipeline.activator else None
    seconds = queue.messages / pace if pace else 0
    if seconds > _LONG_BACKLOG_SECONDS:
        return failed(
            Cause.THROTTLED,
            f"{queue.messages} messages in the activation queue, {seconds / 60:.0f} minutes of work at "
            f"{pace:g} a second{_oldest(case)}",
            "wait, or raise the quota of the AWS IoT API and 'activations_per_second' (docs/performance.md)",
        )
    throttles = case.pipeline.recent.get("throttles", 0)
    if throttles:
        return failed(
            Cause.THROTTLED,
            f"Lambda throttled the activator {throttles:.0f} times in the last 15 minutes",
            "see the account's concurrent executions (Service Quotas): other functions use them all",
        )
    return ok(f"{queue.messages} messages in the activation queue")


@check("dead_letter", "dead-letter queue", Cause.DEAD_LETTERED)
def check_dead_letter(case: Case) -> Finding:
    """The registration event is not in the dead-letter queue."""
    queue = case.pipeline.dead_letter_queue
    if queue is None or queue.messages == 0:
        return ok("the dead-letter queue is empty" if queue else "there is no dead-letter queue")
    message = _dead_letter(case)
    if message is None:
        return ok(f"none of this device among {queue.messages} dead letters")
    evidence = f"{message.reason or 'no reason given'}: {message.detail or 'received too often'}"
    return failed(Cause.DEAD_LETTERED, evidence)


def _dead_letter(case: Case) -> DeadLetter | None:
    """The newest message about the certificate among up to 200 of the dead-letter queue.

    With a visibility time-out of 0 seconds, the messages stay visible to other consumers; only their
    receive count increases, which has no effect in a queue without a dead-letter queue.
    """
    url, sqs = case.pipeline.output(Output.DEAD_LETTER_QUEUE_URL), case.session.client("sqs")
    seen: set[str] = set()
    found: DeadLetter | None = None
    for _ in range(_RECEIVES):
        with aws_call("sqs:ReceiveMessage"):
            response = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
            )
        messages = [message for message in response.get("Messages", []) if message["MessageId"] not in seen]
        if not messages:
            break
        seen |= {message["MessageId"] for message in messages}
        letters = map(DeadLetter.read, messages)
        found = next((each for each in letters if each.certificate_id == case.subject.certificate_id), found)
    return found


def _needed(case: Case) -> list[tuple[list[str], str]]:
    """The permissions that an activation of this device needs: actions and resource."""
    deployment = case.pipeline.deployment
    registered, ca = case.registered, case.ca
    needed = []
    if queue := case.pipeline.activation_queue:
        actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
        needed.append((actions, queue.arn))
    if queue := case.pipeline.dead_letter_queue:
        needed.append((["sqs:SendMessage"], queue.arn))
    if registered is not None:
        needed.append(
            (["iot:DescribeCertificate", "iot:AttachPolicy", "iot:UpdateCertificate"], registered.arn)
        )
        account = registered.arn.split(":")[4]
        table = f"arn:{registered.arn.split(':')[1]}:dynamodb:{deployment.region}:{account}:table/"
        ledger = deployment[Output.LEDGER_TABLE]
        needed.append((["dynamodb:BatchGetItem", "dynamodb:UpdateItem"], f"{table}{ledger}"))
    if ca is not None:
        needed.append((["iot:DescribeCACertificate"], ca.arn))
    return needed


def _failing(case: Case, evidence: str) -> Finding:
    return failed(
        Cause.FUNCTION_FAILING,
        evidence,
        f"read its log, {case.pipeline.output(Output.ACTIVATOR_LOG_GROUP)}; fix the cause and deploy: "
        "waiting events are kept",
    )


def _oldest(case: Case) -> str:
    try:
        age = case.pipeline.recent.get("oldest_message_seconds")
    except UndeterminedError:
        return ""
    return f", the oldest is {age / 60:.0f} minutes old" if age else ""
