"""A device that is listed is admitted; one that is not is refused and recorded until it is listed."""

import pytest

from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime.admission.allow_list import AllowList
from iot_jitr_runtime.admission.keys import ATTRIBUTES, TABLE_KEY, KeyKind
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Outcome, Reason
from iot_jitr_runtime.things.settings import ThingSettings
from tests.support.account import Account, make_allow_list
from tests.support.faults import Fault, counted, injected
from tests.support.things import pending, with_things

TABLE = "expected-devices"


@pytest.fixture(autouse=True)
def table(aws: Account) -> None:
    make_allow_list(aws.dynamodb, TABLE)
    use(aws, KeyKind.COMMON_NAME)


def use(aws: Account, kind: KeyKind) -> None:
    aws.parts["admission"] = AllowList(aws.dynamodb, TABLE, kind)


def listed(aws: Account, key: str, **attributes: str) -> None:
    item = {TABLE_KEY: {"S": key}}
    if attributes:
        item[ATTRIBUTES] = {"M": {name: {"S": value} for name, value in attributes.items()}}  # type: ignore[dict-item]
    aws.dynamodb.put_item(TableName=TABLE, Item=item)


def test_a_listed_device_is_admitted(aws: Account) -> None:
    listed(aws, "sensor-7")
    certificate_id = pending(aws, "sensor-7")

    aws.connect(certificate_id)

    assert aws.status(certificate_id) == "ACTIVE"


def test_a_listed_serial_number_admits_only_its_certificate(aws: Account) -> None:
    use(aws, KeyKind.CA_SERIAL)
    certificate = aws.ca.issue(DeviceSpec("sensor-7")).certificate
    listed(aws, f"{aws.ca_id}#{certificate.serial_number}")
    first, second = aws.pending(certificate), pending(aws, "sensor-7")

    aws.process(aws.event(first), aws.event(second))

    assert (aws.status(first), aws.status(second)) == ("ACTIVE", "PENDING_ACTIVATION")


def test_an_unlisted_device_is_refused_and_recorded(
    aws: Account,
) -> None:
    certificate_id = pending(aws, "sensor-7")
    record = aws.event(certificate_id)

    with counted(aws.iot) as calls:
        back = aws.process(record)

    row = aws.row(certificate_id)
    assert back == []
    assert aws.reason is Reason.NOT_LISTED
    assert "UpdateCertificate" not in calls
    assert "AttachPolicy" not in calls
    assert (row.state, row.reason, row.common_name) == (State.REFUSED, Reason.NOT_LISTED, "sensor-7")
    assert "jitr allow load" in row.detail


def test_a_certificate_without_the_field_is_not_listed(aws: Account) -> None:
    use(aws, KeyKind.SUBJECT_SERIAL_NUMBER)
    certificate_id = pending(aws, "sensor-7")

    aws.connect(certificate_id)

    [decision] = aws.decisions
    assert decision.verdict.reason is Reason.NOT_LISTED
    assert "has 0 of 'subject_serial_number'" in decision.verdict.detail


def test_the_thing_gets_the_attributes_of_the_list(aws: Account) -> None:
    listed(aws, "sensor-7", site="lab")
    with_things(aws, ThingSettings())

    aws.connect(pending(aws, "sensor-7"))

    assert aws.iot.describe_thing(thingName="sensor-7")["attributes"] == {"site": "lab"}


def test_an_attribute_that_aws_does_not_accept_refuses_the_device(aws: Account) -> None:
    listed(aws, "sensor-7", site="a b")
    with_things(aws, ThingSettings())

    assert aws.connect(pending(aws, "sensor-7")) is Reason.INVALID_THING_ATTRIBUTE


@pytest.mark.parametrize("fault", [Fault.THROTTLE, Fault.SERVER_ERROR, Fault.ACCESS_DENIED])
def test_a_list_that_cannot_be_read_defers_the_device(aws: Account, fault: Fault) -> None:
    listed(aws, "sensor-7")
    certificate_id = pending(aws, "sensor-7")
    record = aws.event(certificate_id)

    with injected(aws.dynamodb, "GetItem", fault) as struck:
        back = aws.process(record)

    assert struck() == 1
    assert back == [record["messageId"]]
    assert aws.decisions[0].verdict.outcome is Outcome.DEFERRED
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"
