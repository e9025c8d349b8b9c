"""All facts about one device."""

from datetime import UTC, datetime

from iot_jitr_cli.doctor.facts.case import Subject, open_case
from tests.support.doctor_cloud import Cloud
from tests.support.doctor_facts import ID


def test_opening_a_case_makes_no_call(cloud: Cloud) -> None:
    before = datetime.now(UTC)

    case = open_case(cloud, "stack", Subject(ID))  # type: ignore[arg-type]

    assert case.subject.certificate_id == ID
    assert before <= case.now <= datetime.now(UTC)
