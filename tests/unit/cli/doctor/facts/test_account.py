"""Facts about the account and its clock."""

from iot_jitr_cli.doctor.facts.account import AccountFacts
from tests.support import doctor_case as dc
from tests.support.doctor_cloud import NOW, Cloud


def test_the_account_and_the_clock_of_aws_come_in_one_answer(cloud: Cloud) -> None:
    cloud.answers(
        "sts",
        "get_caller_identity",
        {
            "Account": dc.ACCOUNT,
            "ResponseMetadata": {"HTTPHeaders": {"date": "Mon, 01 Jun 2026 12:00:00 GMT"}},
        },
    )

    identity = AccountFacts(cloud).identity  # type: ignore[arg-type]

    assert (identity.account, identity.time) == (dc.ACCOUNT, NOW)


def test_an_answer_without_a_date_leaves_the_clock_unknown(cloud: Cloud) -> None:
    cloud.answers(
        "sts", "get_caller_identity", {"Account": dc.ACCOUNT, "ResponseMetadata": {"HTTPHeaders": {}}}
    )

    assert AccountFacts(cloud).identity.time is None  # type: ignore[arg-type]


def test_the_endpoint_is_the_ats_one_without_its_port(cloud: Cloud) -> None:
    cloud.answers(
        "iot", "describe_endpoint", {"endpointAddress": "ABC-ats.iot.x:443"}, {"endpointType": "iot:Data-ATS"}
    )

    assert AccountFacts(cloud).endpoint == "abc-ats.iot.x"  # type: ignore[arg-type]
