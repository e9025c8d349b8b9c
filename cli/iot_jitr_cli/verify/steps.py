"""What is checked, in the order of `STEPS`: a device's life from its first connect to its revocation."""

import secrets
from contextlib import suppress
from hashlib import sha256
from typing import Any

from iot_jitr_cli.allow.table import AllowListTable
from iot_jitr_cli.connect import Cause
from iot_jitr_cli.connect import Step as Point
from iot_jitr_cli.connect.causes import Failure
from iot_jitr_cli.console import CliError
from iot_jitr_cli.doctor.case import Case, Presented, Subject
from iot_jitr_cli.doctor.diagnosis import diagnose
from iot_jitr_cli.verify.crl import CrlInForce
from iot_jitr_cli.verify.device import ATTEMPT_TIMEOUT, NAME, Tried
from iot_jitr_cli.verify.run import CheckFailedError, SkippedError, Step, Verification
from iot_jitr_runtime.admission.keys import TABLE_KEY, key_of
from iot_jitr_runtime.aws_errors import AwsError
from iot_jitr_runtime.certificate_fields import MissingFieldError
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.stack_outputs import Output

_TLS_REFUSED = {Cause.CERTIFICATE_REJECTED, Cause.CLOSED_IN_HANDSHAKE}
"""The CONNECT, which registers the certificate, was never sent."""
_BY_FUNCTION = {Reason.REFUSED_BY_FUNCTION, Reason.ADMISSION_FAILED}
_FOR_CLOCKS = 2.0
"""Seconds by which the clocks of Lambda and SQS may differ."""
_COMES_AFTER = {Point.SUBSCRIBED: Point.CONNECTED, Point.PUBLISHED: Point.SUBSCRIBED}


def list_device(v: Verification) -> str:
    """Put the device on the allow list, unless it is on it."""
    if v.pipeline.deployment.get(Output.ALLOW_LIST_TABLE) is None:
        raise SkippedError("the pipeline has no allow list")
    dynamodb = v.pipeline.session.client("dynamodb")
    listed = AllowListTable.find_in(v.pipeline.deployment, dynamodb)
    try:
        key = key_of(listed.kind, v.device.certificate, v.pipeline.ca.certificate_id)
    except MissingFieldError as error:
        raise CliError(f"{error}: give a device that has it (--chain and --key)") from error
    if listed.find(key) is not None:
        return f"'{key}' is on it already"
    v.cleanup.add(
        "allow list row",
        f"jitr allow remove '{key}' --stack {v.pipeline.deployment.stack_name}",
        lambda: listed.remove(key),
    )
    dynamodb.put_item(TableName=listed.table, Item={TABLE_KEY: {"S": str(key)}})
    return f"listed '{key}'"


def first_connect(v: Verification) -> str:
    """Connect for the first time: AWS IoT registers the certificate and closes the connection."""
    v.cleanup.add_certificate()
    tried = v.device.try_once()
    if Point.CONNECTED in tried.steps:
        raise CheckFailedError(
            "it was accepted at once: something else than this pipeline activates certificates of this CA, "
            "a JITP template perhaps (jitr ca show)"
        )
    failure = _answer(tried)
    if failure.cause in _TLS_REFUSED:
        raise CheckFailedError(failure.text)
    return "refused, as every first connect is"


def become_active(v: Verification) -> str:
    """Wait until the pipeline has activated the certificate."""
    began = v.pipeline.clock()

    def decided() -> bool:
        row = v.row()
        return v.status() == "ACTIVE" or (row is not None and row.state is State.REFUSED)

    v.pipeline.wait_until(decided)
    v.active_since = v.pipeline.clock()
    status, row = v.status(), v.row()
    if status == "ACTIVE":
        return f"ACTIVE {v.active_since - began:.1f} s after the first connect"
    said = f"{row.state}, {row.reason}: {row.detail}" if row and row.state else "nothing"
    advice = (
        f"; let the admission function admit common names that begin with '{NAME}', or give a device that "
        "it knows (--chain and --key)"
    )
    raise CheckFailedError(
        f"the certificate is {status or 'not registered'} after {v.active_since - began:.0f} s; the ledger "
        f"says {said}{advice if row and row.reason in _BY_FUNCTION else ''}{_cause(v)}"
    )


def reconnect(v: Verification) -> str:
    """Connect again, publish one message to its own topic and get it back."""
    tried: list[Tried] = []

    def published() -> bool:
        tried.append(v.device.try_once())
        return tried[-1].failure is None

    if v.pipeline.wait_until(published):
        return f"published to {v.device.topic_of(v.device.client_id)} and received it, try {len(tried)}"
    raise CheckFailedError(f"{_answer(tried[-1]).text}{_cause(v)}")


def neighbour_subscribe(v: Verification) -> str:
    """Try to listen to another device."""
    topic = _neighbour_topic(v)
    return _kept_out(v.device.try_once(subscribe=topic), Point.SUBSCRIBED, f"subscribe to {topic}")


def neighbour_publish(v: Verification) -> str:
    """Try to publish as another device."""
    topic = _neighbour_topic(v)
    return _kept_out(v.device.try_once(publish=topic), Point.PUBLISHED, f"publish to {topic}")


def other_client_id(v: Verification) -> str:
    """Try to connect as another device."""
    name = v.device.neighbour
    return _kept_out(v.device.try_once(client_id=name), Point.CONNECTED, f"connect as {name}")


def duplicate_event(v: Verification) -> str:
    """Send the registration event once more: it must end as stale."""
    if not v.pipeline.wait_until(lambda: _state(v.row()) is State.ACTIVATED):
        raise CheckFailedError("the certificate is ACTIVE, but the ledger does not say that it was activated")
    row = v.row() or Row(v.device.certificate_id)
    # Events of these seconds are dropped without a trace, so one of them would prove nothing.
    settled = v.active_since + (row.look_again_at - row.decided_at) / 1000 + _FOR_CLOCKS
    v.pipeline.sleep(max(0.0, settled - v.pipeline.clock()))
    message_id = v.pipeline.send_event(v.device.certificate_id)
    if not v.pipeline.wait_until(lambda: _message(v.row()) == message_id):
        raise CheckFailedError(f"the event was not examined within {v.pipeline.timeout:.0f} s")
    state, status = _state(v.row()), v.status()
    if state is not State.ACTIVATED or status != "ACTIVE":
        raise CheckFailedError(f"it changed something: the ledger says {state}, AWS IoT {status}")
    return "stale: the certificate is ACTIVE, nothing was changed"


def forged_event(v: Verification) -> str:
    """Send an event about a certificate that does not exist."""
    forged = CertificateId(sha256(secrets.token_bytes()).hexdigest())
    v.cleanup.add_row(forged)
    v.pipeline.send_event(forged)
    if not v.pipeline.wait_until(lambda: v.pipeline.expires(forged)):
        raise CheckFailedError(f"the event did not end within {v.pipeline.timeout:.0f} s")
    return "given up: AWS IoT has no such certificate"


def malformed_event(v: Verification) -> str:
    """Send a message that is no registration event: it must end in the dead-letter queue with its reason."""
    mark = f"{NAME}{secrets.token_hex(8)}"
    url = v.pipeline.deployment[Output.DEAD_LETTER_QUEUE_URL]
    taken: list[Any] = []

    def take() -> bool:
        if not taken and (message := v.pipeline.take_dead_letter(mark)) is not None:
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


def revoke(v: Verification) -> str:
    """Publish the CRL in force with the device added, and wait until its certificate is revoked."""
    location, signer = v.pipeline.crl_location, v.device.signer
    if location is None:
        raise SkippedError("this CA has no CRL here")
    if not location.startswith("s3://"):
        raise SkippedError(f"the CRL comes from {location}, where only the CA can write")
    if signer is None:
        raise SkippedError("it takes the CA's key (--ca-cert and --ca-key)")
    if not v.publish_crl:
        raise SkippedError("it would change the CA's CRL: --publish-crl allows that")
    certificate, s3 = v.device.certificate.x509, v.pipeline.session.client("s3")
    bucket = v.pipeline.deployment[Output.REVOCATION_BUCKET]
    former = CrlInForce.find(s3, bucket, v.pipeline.ca.certificate_id, certificate)
    if v.pipeline.deployment.get(Output.SESSION_CLIENT_ID) is not None:
        v.session = v.device.stay_connected(ATTEMPT_TIMEOUT)
        if v.session is not None:
            v.cleanup.add("open session", "it ends with this process", v.session.close)
    number = former.publish_with(signer, certificate).number
    v.notes.append(
        f"CRL number {number} of CA {v.pipeline.ca.name} is number {former.crl.number} with one entry more, "
        f"serial {v.device.certificate.serial_number}; it stays in force until the CA publishes its next"
    )
    began = v.pipeline.clock()
    if not v.pipeline.wait_until(lambda: v.status() == "REVOKED"):
        raise CheckFailedError(
            f"the certificate is {v.status()} {v.pipeline.timeout:.0f} s after CRL number {number} was "
            "published (with revocation.dry_run nothing is revoked)"
        )
    return f"REVOKED {v.pipeline.clock() - began:.1f} s after CRL number {number} was published"


def session_closed(v: Verification) -> str:
    """Wait until the session that was open at the revocation is closed."""
    if v.pipeline.deployment.get(Output.SESSION_CLIENT_ID) is None:
        raise SkippedError("the sweep closes no sessions here (revocation.close_sessions)")
    if v.status() != "REVOKED":
        raise SkippedError("the device was not revoked")
    if v.session is None:
        raise CliError("the device could not stay connected before its revocation")
    if not v.pipeline.wait_until(v.session.is_closed):
        raise CheckFailedError(
            f"it is still open {v.pipeline.timeout:.0f} s after the revocation; the sweep's log says why"
        )
    return "closed by the sweep"


def revoked_is_refused(v: Verification) -> str:
    """Connect with the revoked certificate; AWS IoT takes some time to tell all its brokers."""
    if v.status() != "REVOKED":
        raise SkippedError("the device was not revoked")
    tried: list[Tried] = []

    def refused() -> bool:
        tried.append(v.device.try_once())
        return Point.CONNECTED not in tried[-1].steps

    if not v.pipeline.wait_until(refused):
        raise CheckFailedError(f"it is still accepted after {v.pipeline.timeout:.0f} s")
    _answer(tried[-1])
    return f"refused, try {len(tried)}"


def guard_refuses(v: Verification) -> str:
    """Connect until the connect guard's log says that it was asked about the device and refused it."""
    log_group = v.pipeline.deployment.get(Output.CONNECT_GUARD_LOG_GROUP)
    if log_group is None:
        raise SkippedError("the pipeline has no connect guard")
    if v.status() != "REVOKED":
        raise SkippedError("the device was not revoked")
    logs, tried = v.pipeline.session.client("logs"), 0

    def was_asked() -> bool:
        nonlocal tried
        tried += 1
        v.device.try_once()
        found = logs.filter_log_events(logGroupName=log_group, filterPattern=f'"{v.device.certificate_id}"')
        return any('"connect_refused"' in event["message"] for event in found["events"])

    if not v.pipeline.wait_until(was_asked):
        raise CheckFailedError(
            f"its log does not say so after {v.pipeline.timeout:.0f} s: connect to the guarded domain "
            "(--endpoint), and see that its domain configuration names the callback of the output "
            f"{Output.CONNECT_GUARD_CALLBACK_ARN}"
        )
    return f"asked at the handshake, and refused, try {tried}"


STEPS = (
    Step("allow_list", "device is on the allow list", list_device, needed=True),
    Step("first_connect", "first connect is refused", first_connect, needed=True),
    Step("active", "certificate is activated", become_active, needed=True),
    Step("reconnect", "second connect is accepted", reconnect, needed=True),
    Step("neighbour_subscribe", "neighbour's topic: subscribe is refused", neighbour_subscribe),
    Step("neighbour_publish", "neighbour's topic: publish is refused", neighbour_publish),
    Step("other_client_id", "another client id is refused", other_client_id),
    Step("duplicate_event", "duplicate event is stale", duplicate_event),
    Step("forged_event", "forged event has no effect", forged_event),
    Step("malformed_event", "malformed event is a dead letter", malformed_event),
    Step("revoked", "CRL revokes the device", revoke, needed=True),
    Step("session_closed", "its open session is closed", session_closed),
    Step("revoked_refused", "revoked device is refused", revoked_is_refused),
    Step("guard_refuses", "connect guard refuses it", guard_refuses),
)


def _answer(tried: Tried) -> Failure:
    """Why the endpoint refused."""
    if tried.failure is None or not tried.failure.cause.answered:
        raise CliError(tried.failure.text if tried.failure else "it was not refused")
    return tried.failure


def _kept_out(tried: Tried, point: Point, what: str) -> str:
    """Hold that the device was refused before it got to this point."""
    if point in tried.steps:
        raise CheckFailedError(f"it may {what}: the device policy is too broad (jitr policy check)")
    failure, before = _answer(tried), _COMES_AFTER.get(point)
    if (before is not None and before not in tried.steps) or failure.cause is Cause.NO_ANSWER:
        raise CliError(failure.text)
    return f"may not {what}"


def _neighbour_topic(v: Verification) -> str:
    topic = v.device.topic_of(v.device.neighbour)
    if topic == v.device.topic:
        raise SkippedError("the topic is the same for all devices: it does not hold {client_id}")
    return topic


def _state(row: Row | None) -> State | None:
    return row.state if row else None


def _message(row: Row | None) -> str | None:
    """Id of the message by which the row was decided last."""
    return row.waiting_message_id if row else None


def _cause(v: Verification) -> str:
    """What `jitr doctor` says, as long as the certificate is there; empty where it cannot tell."""
    chain = v.device.credentials.chain
    subject = Subject(v.device.certificate_id, Presented(chain.pem.encode(), chain))
    with suppress(JitrError, *AwsError):
        diagnosis = diagnose(Case(v.pipeline.session, v.pipeline.deployment.stack_name, subject))
        return f"; jitr doctor: {diagnosis.cause.headline}; {diagnosis.fix}" if diagnosis.cause else ""
    return ""
