"""Device certificates and the registry of things in an account of moto."""

from datetime import timedelta

from aws_lambda_powertools import Logger

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.tasks import Task, TaskResult
from iot_jitr_runtime.task_runner import run_tasks
from iot_jitr_runtime.things.registration import Things
from iot_jitr_runtime.things.retirement import Retirement
from iot_jitr_runtime.things.settings import Renewal, ThingSettings
from tests.support.account import FUNCTION_TIMEOUT, Account

CLAIM_LASTS = FUNCTION_TIMEOUT + timedelta(seconds=5)
RENEWABLE = ThingSettings(renewal=Renewal.ALLOW, grace_seconds=24 * 3600)


def with_things(aws: Account, settings: ThingSettings) -> Things:
    """Configure the activator to register things; return the registration."""
    things = Things(
        iot=aws.iot,
        settings=settings,
        ledger=aws.ledger,
        lease_lasts=CLAIM_LASTS,
        clock=aws.clock,
    )
    aws.parts["things"] = things
    return things


def pending(aws: Account, name: str, *, ca: DevelopmentCa | None = None, age: float = 1) -> CertificateId:
    """Register a certificate with this common name, valid since `age` hours; return its id."""
    now = aws.clock()
    authority = ca or aws.ca
    validity = Validity(now - timedelta(hours=age), now + timedelta(days=300))
    certificate = authority.issue(DeviceSpec(name, validity=validity)).certificate
    return aws.pending(certificate, authority.certificate)


def arn_of(aws: Account, certificate_id: str) -> str:
    description = aws.iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
    return str(description["certificateArn"])


def holders(aws: Account, thing: str) -> set[str]:
    """The ids of the certificates that a thing has."""
    principals = aws.iot.list_thing_principals(thingName=thing)["principals"]
    return {principal.rpartition("/")[2] for principal in principals}


def retire(by: Retirement) -> dict[CertificateId, TaskResult]:
    """Do the retirements that are due; return the result of each."""
    deadline = Deadline(by.clock() + timedelta(minutes=5), by.clock)
    results = run_tasks(by.ledger.tasks, Task.RETIRE, by.retire, deadline, Logger("retirement"))
    return {due.certificate_id: result for due, result in results.items()}


def retire_due(aws: Account) -> dict[CertificateId, TaskResult]:
    """Retire the certificates of the account whose grace period is over."""
    return retire(
        Retirement(
            iot=aws.iot,
            ledger=aws.ledger,
            grace_period=RENEWABLE.grace_period,
            rate_limiter=aws.rate_limiter(),
            clock=aws.clock,
        )
    )
