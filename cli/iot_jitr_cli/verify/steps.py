"""The checks in the order of `STEPS`: from a device's first connect to its revocation."""

from contextlib import suppress

from iot_jitr_cli.allow.rows import ListedDevice
from iot_jitr_cli.allow.table import AllowListTable
from iot_jitr_cli.connect import Cause
from iot_jitr_cli.connect import Step as Point
from iot_jitr_cli.console import CliError
from iot_jitr_cli.doctor.case import Case, Subject
from iot_jitr_cli.doctor.diagnosis import diagnose
from iot_jitr_cli.verify import events, revocation
from iot_jitr_cli.verify.device import NAME, AttemptResult
from iot_jitr_cli.verify.run import CheckFailedError, SkippedError, Step, Verification
from iot_jitr_runtime.admission.keys import key_of
from iot_jitr_runtime.aws_errors import AwsError
from iot_jitr_runtime.certificate_fields import MissingFieldError
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.stack_outputs import Output

_TLS_REFUSED = {Cause.CERTIFICATE_REJECTED, Cause.CLOSED_IN_HANDSHAKE}
"""Causes for which the CONNECT, which registers the certificate, was never sent."""
_BY_FUNCTION = {Reason.REFUSED_BY_FUNCTION, Reason.ADMISSION_FAILED}
_COMES_AFTER = {Point.SUBSCRIBED: Point.CONNECTED, Point.PUBLISHED: Point.SUBSCRIBED}


def list_device(v: Verification) -> str:
    """Add the device to the allow list, unless it is listed already."""
    if v.pipeline.deployment.get(Output.ALLOW_LIST_TABLE) is None:
        raise SkippedError("the pipeline has no allow list")
    listed = AllowListTable.find_in(v.pipeline.deployment, v.pipeline.session.client("dynamodb"))
    try:
        key = key_of(listed.kind, v.device.certificate, v.pipeline.ca.certificate_id)
    except MissingFieldError as error:
        raise CliError(f"{error}: give a device that has it (--chain and --key)") from error
    if listed.find(key) is not None:
        return f"'{key}' is on it already"
    v.cleanup.add(
        "allow list row",
        f"jitr allow remove '{key}' --stack {v.report.stack}",
        lambda: listed.remove(key),
    )
    listed.write([ListedDevice(key)])
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
    failure = tried.refusal
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
    found = f"{row.state}, {row.reason}: {row.detail}" if row and row.state else "nothing"
    advice = (
        f"; let the admission function admit common names that begin with '{NAME}', or give a device that "
        "it admits (--chain and --key)"
    )
    raise CheckFailedError(
        f"the certificate is {status or 'not registered'} after {v.active_since - began:.0f} s; the ledger "
        f"has {found}{advice if row and row.reason in _BY_FUNCTION else ''}{_cause(v)}"
    )


def reconnect(v: Verification) -> str:
    """Connect again, publish one message to the device's own topic and receive it."""
    published, last, count = v.connect_until(lambda tried: tried.failure is None)
    if published:
        return f"published to {v.device.topic_of(v.device.client_id)} and received it, try {count}"
    raise CheckFailedError(f"{last.refusal.text}{_cause(v)}")


def neighbour_subscribe(v: Verification) -> str:
    """Try to subscribe to another device's topic."""
    topic = _neighbour_topic(v)
    return _check_refused(v.device.try_once(subscribe=topic), Point.SUBSCRIBED, f"subscribe to {topic}")


def neighbour_publish(v: Verification) -> str:
    """Try to publish as another device."""
    topic = _neighbour_topic(v)
    return _check_refused(v.device.try_once(publish=topic), Point.PUBLISHED, f"publish to {topic}")


def other_client_id(v: Verification) -> str:
    """Try to connect as another device."""
    name = v.device.neighbour
    return _check_refused(v.device.try_once(client_id=name), Point.CONNECTED, f"connect as {name}")


STEPS = (
    Step("allow_list", "device is on the allow list", list_device, needed=True),
    Step("first_connect", "first connect is refused", first_connect, needed=True),
    Step("active", "certificate is activated", become_active, needed=True),
    Step("reconnect", "second connect is accepted", reconnect, needed=True),
    Step("neighbour_subscribe", "neighbour's topic: subscribe is refused", neighbour_subscribe),
    Step("neighbour_publish", "neighbour's topic: publish is refused", neighbour_publish),
    Step("other_client_id", "another client id is refused", other_client_id),
    Step("duplicate_event", "duplicate event is stale", events.duplicate),
    Step("forged_event", "forged event has no effect", events.forged),
    Step("malformed_event", "malformed event is a dead letter", events.malformed),
    Step("revoked", "CRL revokes the device", revocation.revoke, needed=True),
    Step("session_closed", "its open session is closed", revocation.session_closed),
    Step("revoked_refused", "revoked device is refused", revocation.revoked_is_refused),
    Step("guard_refuses", "connect guard refuses it", revocation.guard_refuses),
)


def _check_refused(tried: AttemptResult, point: Point, what: str) -> str:
    """Check that the device was refused before it reached this point."""
    if point in tried.steps:
        raise CheckFailedError(f"it may {what}: the device policy is too broad (jitr policy check)")
    failure, before = tried.refusal, _COMES_AFTER.get(point)
    if (before is not None and before not in tried.steps) or failure.cause is Cause.NO_ANSWER:
        raise CliError(failure.text)
    return f"may not {what}"


def _neighbour_topic(v: Verification) -> str:
    topic = v.device.topic_of(v.device.neighbour)
    if topic == v.device.topic:
        raise SkippedError("the topic is the same for all devices: it does not hold {client_id}")
    return topic


def _cause(v: Verification) -> str:
    """The cause from `jitr doctor`, as long as the certificate exists; empty if no cause is found."""
    subject = Subject(v.device.certificate_id, v.device.credentials.chain)
    with suppress(JitrError, *AwsError):
        diagnosis = diagnose(Case(v.pipeline.session, v.report.stack, subject))
        return f"; jitr doctor: {diagnosis.cause.headline}; {diagnosis.fix}" if diagnosis.cause else ""
    return ""
