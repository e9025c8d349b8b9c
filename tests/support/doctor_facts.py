"""The doctor's facts, read from a cloud that answers what it is told to."""

from typing import Any

from iot_jitr_cli.doctor.facts.ca import CaFacts
from iot_jitr_cli.doctor.facts.device import DeviceFacts
from iot_jitr_cli.doctor.facts.function import FunctionFacts
from iot_jitr_cli.doctor.facts.pipeline import PipelineFacts
from iot_jitr_runtime.identifiers import CertificateId
from tests.support import doctor_case as dc
from tests.support.doctor_cloud import NOW, Cloud, stack

ID = CertificateId("d" * 64)
ARN = f"arn:aws:iot:{dc.REGION}:{dc.ACCOUNT}:cert/{ID}"


def pipeline(cloud: Cloud, **outputs: str) -> PipelineFacts:
    cloud.answers("cloudformation", "describe_stacks", stack(**outputs))
    return PipelineFacts(cloud, "stack")  # type: ignore[arg-type]


def function(cloud: Cloud) -> FunctionFacts:
    return FunctionFacts(cloud, pipeline(cloud), NOW)  # type: ignore[arg-type]


def description(pem: str, **more: Any) -> dict[str, Any]:
    return {
        "certificateDescription": {
            "certificateArn": ARN,
            "certificatePem": pem,
            "status": "PENDING_ACTIVATION",
            "creationDate": NOW,
            **more,
        }
    }


def device_facts(cloud: Cloud, presented: Any = None) -> DeviceFacts:
    return DeviceFacts(cloud, ID, presented)  # type: ignore[arg-type]


def ca_description(**more: Any) -> dict[str, Any]:
    return {
        "certificateDescription": {
            "certificateArn": "arn:ca",
            "certificateId": dc.CA_ID,
            "status": "ACTIVE",
            "certificatePem": dc.ca().certificate.pem,
            "autoRegistrationStatus": "ENABLE",
            **more,
        }
    }


def ca_facts(cloud: Cloud, presented: Any = None) -> CaFacts:
    return CaFacts(cloud, "stack", device_facts(cloud, presented))  # type: ignore[arg-type]


def list_cas(cloud: Cloud, *pems: str) -> None:
    cloud.refuses("iot", "describe_certificate", "ResourceNotFoundException")
    ids = [f"{number:064x}" for number in range(len(pems))]
    cloud.answers("iot", "list_ca_certificates", {"certificates": [{"certificateId": each} for each in ids]})
    for each, pem in zip(ids, pems, strict=True):
        cloud.answers(
            "iot", "describe_ca_certificate", ca_description(certificatePem=pem, certificateId=each)
        )
