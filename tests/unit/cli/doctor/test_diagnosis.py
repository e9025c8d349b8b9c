"""One cause out of many findings, and no false certainty where something could not be seen."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.doctor.causes import RESIDUAL, Cause, Phase
from iot_jitr_cli.doctor.checks import CHECKS, READABLE
from iot_jitr_cli.doctor.diagnosis import Conclusion, Line, conclude, diagnose, unreadable
from iot_jitr_cli.doctor.facts.fact import (
    CannotTellError,
    Fact,
    MissingPermissionError,
    NoAnswerError,
    aws_call,
    fact,
)
from iot_jitr_cli.doctor.findings import Status, failed, ok, unknown
from iot_jitr_cli.doctor.ledger_causes import OF_REASONS, cause_of
from iot_jitr_cli.doctor.report import as_json, checklist, conclusion
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Outcome, Reason, Verdict
from tests.support.doctor_case import DiagnosedDevice


def denied(code: str = "AccessDeniedException") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeCertificate")


def test_every_cause_can_be_named_by_a_check_and_explains_some_phase() -> None:
    named = {cause for check in (*CHECKS, READABLE) for cause in check.causes}

    assert named == set(Cause) - {Cause.ALREADY_FINE}
    assert all(cause.headline and cause.phases for cause in Cause)
    assert {cause for cause in Cause if not cause.fix} == {Cause.ALREADY_FINE}
    assert named >= RESIDUAL


def test_every_reason_to_refuse_or_defer_has_a_cause() -> None:
    kept_out = {reason for reason in Reason if reason.outcome in {Outcome.REFUSED, Outcome.DEFERRED}}

    assert set(OF_REASONS) == kept_out


@pytest.mark.parametrize(
    ("state", "reason", "cause"),
    [
        (State.REFUSED, Reason.EXPIRED, Cause.EXPIRED),
        (State.DEFERRED, Reason.CRL_STALE, Cause.CRL_STALE),
        (State.ACTIVATING, None, Cause.BEING_DECIDED),
        (State.SUSPENDED, None, Cause.ON_HOLD),
        (State.REVOKED, None, Cause.SERIAL_REVOKED),
        (State.RETIRED, None, Cause.SUPERSEDED),
        (State.ACTIVATED, None, None),
        (None, None, None),
    ],
)
def test_a_row_of_the_ledger_says_its_cause(
    state: State | None, reason: Reason | None, cause: Cause | None
) -> None:
    assert cause_of(state, reason) is cause


@pytest.mark.parametrize(
    ("name", "permission"), [("registered", "iot:DescribeCertificate"), ("row", "dynamodb:GetItem")]
)
def test_a_missing_permission_makes_the_check_unknown_and_is_named(name: str, permission: str) -> None:
    diagnosis = diagnose(DiagnosedDevice().with_facts(**{name: MissingPermissionError(permission)}).case)

    marked = [line.finding for line in diagnosis.lines if line.finding.status is Status.UNKNOWN]
    assert {each.permission for each in marked} == {permission}
    assert diagnosis.missing_permissions == (permission,)
    assert diagnosis.conclusion is Conclusion.UNDETERMINED
    assert diagnosis.exit_code is ExitCode.UNDETERMINED


def test_an_observed_cause_is_certain_whatever_could_not_be_checked() -> None:
    diagnosed = DiagnosedDevice(status=None).with_facts(rule=CannotTellError("x"), row=None)
    diagnosed.with_facts(issuer=_no_issuer())

    assert diagnose(diagnosed.case).conclusion is Conclusion.CAUSE_FOUND


def test_a_residual_cause_is_undetermined_while_a_check_is_missing() -> None:
    diagnosed = DiagnosedDevice(status=None).with_facts(
        row=None, issuer=MissingPermissionError("iot:ListCACertificates")
    )

    diagnosis = diagnose(diagnosed.case)

    assert (diagnosis.conclusion, diagnosis.cause) == (Conclusion.UNDETERMINED, Cause.NEVER_CONNECTED)
    assert diagnosis.fix


def test_a_missing_check_does_not_matter_where_it_cannot_find_the_cause() -> None:
    diagnosed = DiagnosedDevice().with_facts(rule=MissingPermissionError("iot:GetTopicRule"))

    diagnosis = diagnose(diagnosed.case)

    assert diagnosis.conclusion is Conclusion.FINE
    assert diagnosis.missing_permissions == ("iot:GetTopicRule",)


def test_observed_causes_come_before_predicted_ones() -> None:
    not_listed = Verdict.because(Reason.NOT_LISTED, "no device")
    diagnosed = DiagnosedDevice(status="PENDING_ACTIVATION").with_facts(
        row=None, admission=not_listed, rule=None
    )

    assert diagnose(diagnosed.case).cause is Cause.RULE_MISSING


def test_predicted_causes_come_before_residual_ones() -> None:
    not_listed = Verdict.because(Reason.NOT_LISTED, "no device")
    diagnosed = DiagnosedDevice(status="PENDING_ACTIVATION").with_facts(row=None, admission=not_listed)

    assert diagnose(diagnosed.case).cause is Cause.NOT_LISTED


def test_a_device_that_is_not_active_without_a_cause_is_undetermined() -> None:
    diagnosis = conclude((Line(CHECKS[0], ok("fine")),), Phase.DISABLED)

    assert (diagnosis.conclusion, diagnosis.cause, diagnosis.fix) == (Conclusion.UNDETERMINED, None, "")


def test_the_first_finding_of_a_cause_gives_the_fix() -> None:
    lines = tuple(Line(CHECKS[0], failed(Cause.EXPIRED, "seen", fix)) for fix in ("first", "second"))

    assert conclude(lines, Phase.ACTIVE).fix == "first"


def test_a_file_without_certificates_ends_the_diagnosis() -> None:
    diagnosis = unreadable("found a private key, but no certificate")

    assert diagnosis.cause is Cause.CHAIN_UNREADABLE
    assert diagnosis.exit_code is ExitCode.NO


# facts


class _Asked:
    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.times = 0

    @fact("iot:Something")
    def something(self) -> str:
        """A fact."""
        self.times += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return str(self.answer)


def test_a_fact_is_read_once() -> None:
    asked = _Asked("x")

    assert [asked.something, asked.something, asked.times] == ["x", "x", 1]


def test_a_fact_that_cannot_be_read_is_tried_once() -> None:
    asked = _Asked(denied())

    for _ in range(2):
        with pytest.raises(MissingPermissionError, match="the permission iot:Something is missing") as info:
            _ = asked.something
        assert info.value.permission == "iot:Something"
    assert asked.times == 1


def test_an_endpoint_that_does_not_answer_is_no_missing_permission() -> None:
    with pytest.raises(NoAnswerError, match="is the network up"), aws_call("iot:Something"):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")


def test_errors_of_ours_pass_through() -> None:
    with pytest.raises(CannotTellError, match="mine"), aws_call("iot:Something"):
        raise CannotTellError("mine")


def test_a_fact_says_which_permission_it_takes() -> None:
    found = vars(_Asked)["something"]

    assert isinstance(found, Fact)
    assert (found.permission, found.__doc__) == ("iot:Something", "A fact.")


# report


def _no_issuer() -> Any:
    from iot_jitr_cli.doctor.facts.ca import Issuer

    return Issuer(None)


def lines(texts: list[Any]) -> str:
    return "\n".join(text.plain for text in texts)


def test_the_checklist_marks_each_line_and_puts_the_fix_below() -> None:
    diagnosed = DiagnosedDevice(status=None).with_facts(
        row=None, rule=MissingPermissionError("iot:GetTopicRule")
    )

    shown = lines(checklist(diagnose(diagnosed.case)))

    assert "✓  validity " in shown
    assert "·  endpoint " in shown
    assert "?  topic rule " in shown
    assert "the permission iot:GetTopicRule is missing" in shown
    assert "✗  certificate registered in AWS IoT " in shown
    assert "\n   → let the device connect" in shown


def test_the_conclusion_is_one_cause_with_its_name_and_what_to_do() -> None:
    shown = lines(conclusion(diagnose(DiagnosedDevice(status=None).with_facts(row=None).case)))

    first, second = shown.splitlines()
    assert first == "the device has never connected to this account and region  [never_connected]"
    assert second.startswith("→ let the device connect")


def test_an_undetermined_conclusion_names_the_missing_permissions() -> None:
    diagnosed = DiagnosedDevice(status=None).with_facts(
        row=None, issuer=MissingPermissionError("iot:ListCACertificates")
    )

    shown = lines(conclusion(diagnose(diagnosed.case)))

    assert shown.startswith("undetermined")
    assert "the most likely cause is: the device has never connected" in shown
    assert "missing permissions: iot:ListCACertificates (jitr doctor --iam-policy)" in shown


def test_an_undetermined_conclusion_may_have_no_cause() -> None:
    assert lines(conclusion(conclude((Line(CHECKS[0], unknown("?")),), Phase.DISABLED))).startswith(
        "undetermined"
    )


def test_control_characters_of_a_certificate_are_not_printed() -> None:
    diagnosis = conclude((Line(CHECKS[0], failed(Cause.EXPIRED, "a\x1b[2Jb", "c\x07")),), Phase.ACTIVE)

    assert "\x1b" not in lines(checklist(diagnosis))
    assert "\x07" not in lines(conclusion(diagnosis))


def test_json_has_a_line_for_each_check_and_the_cause() -> None:
    answer = as_json("id", diagnose(DiagnosedDevice(status=None).with_facts(row=None).case))

    plain = json.loads(json.dumps(answer))
    assert (plain["conclusion"], plain["cause"], plain["phase"]) == (
        "cause_found",
        "never_connected",
        "unregistered",
    )
    assert [check["id"] for check in plain["checks"]] == [check.id for check in CHECKS]
    assert {check["status"] for check in plain["checks"]} == {"ok", "failed", "not_applicable"}


def test_json_without_a_cause_says_null() -> None:
    answer = as_json(None, conclude((Line(CHECKS[0], unknown("?")),), Phase.DISABLED))

    assert (answer["cause"], answer["headline"], answer["fix"]) == (None, None, None)
