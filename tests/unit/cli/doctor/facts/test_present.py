"""What the pipeline would decide now."""

import json
from typing import Any

import pytest

from iot_jitr_cli.doctor.facts.ca import CaFacts
from iot_jitr_cli.doctor.facts.fact import CannotTellError
from iot_jitr_cli.doctor.facts.function import FunctionFacts
from iot_jitr_cli.doctor.facts.pipeline import PipelineFacts
from iot_jitr_cli.doctor.facts.present import PresentFacts
from iot_jitr_runtime.outcomes import Outcome, Reason
from tests.support import doctor_case as dc
from tests.support.doctor_cloud import NOW, Cloud, configuration, stack
from tests.support.doctor_facts import ca_description, description, device_facts, list_cas, pipeline


def present(cloud: Cloud, pipe: PipelineFacts, variables: dict[str, str] | None = None) -> PresentFacts:
    pem = dc.device().certificate.pem
    cloud.answers("iot", "describe_certificate", description(pem, caCertificateId=dc.CA_ID))
    cloud.answers("iot", "describe_ca_certificate", ca_description())
    if variables is not None:
        cloud.answers("lambda", "get_function_configuration", configuration(**variables))
    device = device_facts(cloud)
    ca = CaFacts(cloud, "stack", device)  # type: ignore[arg-type]
    return PresentFacts(cloud, device, ca, pipe, FunctionFacts(cloud, pipe, NOW))  # type: ignore[arg-type]


def test_a_ca_without_a_crl_has_no_verdict(cloud: Cloud) -> None:
    assert present(cloud, pipeline(cloud), {"JITR_CAS": "{}"}).revocation is None


def test_an_index_that_is_missing_is_the_verdict_of_the_pipelines_own_code(cloud: Cloud) -> None:
    variables = {
        "JITR_CAS": json.dumps({dc.CA_ID: {"revocation": "crl"}}),
        "JITR_REVOCATION_BUCKET": "indexes",
    }
    facts = present(cloud, pipeline(cloud), variables)
    cloud.refuses("s3", "get_object", "NoSuchKey", http_status_code=404)

    assert facts.revocation is not None
    assert facts.revocation.reason is Reason.CRL_MISSING


def test_without_an_allow_list_there_is_no_verdict(cloud: Cloud) -> None:
    cloud.answers("cloudformation", "describe_stacks", stack())
    facts = PipelineFacts(cloud, "stack")  # type: ignore[arg-type]
    device = device_facts(cloud)
    ca = CaFacts(cloud, "stack", device)  # type: ignore[arg-type]

    assert PresentFacts(cloud, device, ca, facts, FunctionFacts(cloud, facts, NOW)).admission is None  # type: ignore[arg-type]


@pytest.mark.parametrize(("item", "outcome"), [(None, Outcome.REFUSED), ({}, Outcome.ACTIVATED)])
def test_the_allow_list_is_read_with_the_activators_code(
    cloud: Cloud, item: dict[str, Any] | None, outcome: Outcome
) -> None:
    pipe = pipeline(cloud, AllowListTable="list", AllowListKey="common_name")
    facts = present(cloud, pipe)
    answer = {} if item is None else {"Item": {"deviceKey": {"S": "sensor-7"}, **item}}
    cloud.answers(
        "dynamodb",
        "get_item",
        answer,
        {"TableName": "list", "Key": {"deviceKey": {"S": "sensor-7"}}, "ConsistentRead": True},
    )

    assert facts.admission is not None
    assert facts.admission.outcome is outcome


def test_without_its_ca_the_current_decision_is_unknown(cloud: Cloud) -> None:
    pipe = pipeline(cloud, AllowListTable="list", AllowListKey="common_name")
    list_cas(cloud)
    device = device_facts(cloud, dc.device().certificate)
    ca = CaFacts(cloud, "stack", device)  # type: ignore[arg-type]
    facts = PresentFacts(cloud, device, ca, pipe, FunctionFacts(cloud, pipe, NOW))  # type: ignore[arg-type]

    with pytest.raises(CannotTellError, match="without the certificate and its CA"):
        _ = facts.admission
