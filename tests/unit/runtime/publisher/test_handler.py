"""The publisher as EventBridge calls it: the CAs that an event triggers, log lines and metrics."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_runtime import environment
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.publisher.http import HttpSource
from iot_jitr_runtime.publisher.settings import CaSettings, read_settings
from iot_jitr_runtime.revocation.store import IndexStore, issuer_key, key
from tests.support.buckets import new_bucket, s3_client
from tests.support.clock import Clock
from tests.support.crls import NO_END, CrlSpec, Entry, make_crl
from tests.support.faults import Fault, injected
from tests.support.lambda_function import context, started

pytestmark = pytest.mark.timing

REGION = "us-east-1"
FACTORY, WORKSHOP = DevelopmentCa.create("Factory CA"), DevelopmentCa.create("Workshop CA")


class Harness:
    """Two registered CAs, each with its prefix in the bucket, and the handler that publishes for both."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        iot = boto3.client("iot", region_name=REGION)
        self.factory, self.workshop = (
            CaCertificateId(
                iot.register_ca_certificate(caCertificate=ca.certificate.pem, setAsActive=True)[
                    "certificateId"
                ]
            )
            for ca in (FACTORY, WORKSHOP)
        )
        self.s3 = s3_client()
        self.bucket = new_bucket(self.s3)
        self.store = IndexStore(self.s3, self.bucket)
        self.variables = {
            environment.REVOCATION_BUCKET: self.bucket,
            environment.CRL_SOURCES: json.dumps(
                {
                    self.factory: {"bucket": self.bucket, "prefix": "crl/Factory/"},
                    self.workshop: {"bucket": self.bucket, "prefix": "crl/Workshop/", "max_age_hours": 12},
                }
            ),
        }
        self.log = io.StringIO()
        self.module = started(monkeypatch, "publisher", self.variables, self.log, REGION)
        self.client = self.module._build()[1].s3
        """The handler's own."""

    @property
    def settings(self) -> dict[CaCertificateId, CaSettings]:
        return read_settings(self.variables, self.s3)

    def concerned(self, event: dict[str, Any], now: datetime | None = None) -> list[CaCertificateId]:
        found: list[CaCertificateId] = self.module.concerned(
            event, self.settings, self.store, now or Clock()()
        )
        return found

    def upload(self, name: str, ca: DevelopmentCa, **values: Any) -> None:
        content = make_crl(ca, CrlSpec([Entry(1), Entry(2)], **values))
        self.s3.put_object(Bucket=self.bucket, Key=f"crl/{name}/ca.crl", Body=content)

    def invoke(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        self.module.handle(event, context("publisher"))
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


def uploaded(bucket: str, object_key: str) -> dict[str, Any]:
    return {"source": "aws.s3", "detail": {"bucket": {"name": bucket}, "object": {"key": object_key}}}


def measured(captured: str) -> dict[tuple[str, str], float]:
    found = {}
    for line in captured.splitlines():
        entry = json.loads(line)
        assert entry["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service", "ca"]]
        [metric] = entry["_aws"]["CloudWatchMetrics"][0]["Metrics"]
        found[entry["ca"], metric["Name"]] = entry[metric["Name"]][0]
    return found


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Iterator[Harness]:
    with mock_aws():
        yield Harness(monkeypatch)


def test_on_schedule_every_ca_is_published(harness: Harness) -> None:
    harness.upload("Factory", FACTORY)
    harness.upload("Workshop", WORKSHOP)

    lines = harness.invoke({"trigger": "schedule"})

    assert [(line["message"], line["ca_certificate_id"]) for line in lines] == [
        ("published", harness.factory),
        ("published", harness.workshop),
    ]
    assert lines[0]["index_version"] == harness.store.current(harness.factory).version
    assert lines[0]["crls"] == [
        {
            "scope": "all certificates of the CA",
            "number": "1",
            "entries": 2,
            "location": f"s3://{harness.bucket}/crl/Factory/ca.crl",
        }
    ]


def test_the_ca_certificate_is_kept_once_even_without_a_crl(harness: Harness) -> None:
    """The connect guard reads the stored certificate, because it must not call AWS IoT."""
    for _ in range(2):
        harness.invoke({"trigger": "schedule"})

    assert harness.store.issuer(harness.factory) == FACTORY.certificate
    assert harness.store.issuer(harness.workshop) == WORKSHOP.certificate
    versions = harness.s3.list_object_versions(Bucket=harness.bucket, Prefix=issuer_key(harness.factory))
    assert len(versions["Versions"]) == 1


@pytest.mark.parametrize("fault", [Fault.THROTTLE, Fault.ACCESS_DENIED, Fault.TIMEOUT_AFTER])
def test_a_failed_put_of_a_ca_certificate_fails_only_its_ca(harness: Harness, fault: Fault) -> None:
    harness.upload("Factory", FACTORY)
    harness.upload("Workshop", WORKSHOP)

    # The first put of the run is that of the first CA's certificate.
    failed = pytest.raises(harness.module.PublicationFailedError, match=harness.factory)
    with injected(harness.client, "PutObject", fault), failed:
        harness.invoke({"trigger": "schedule"})
    assert harness.store.current(harness.workshop)
    assert json.loads(harness.log.getvalue().splitlines()[0])["ca_certificate_id"] == harness.factory
    harness.invoke({"trigger": "schedule"})

    assert harness.store.issuer(harness.factory) == FACTORY.certificate
    assert harness.store.current(harness.factory)


def test_an_upload_triggers_only_its_ca(harness: Harness) -> None:
    assert harness.concerned(uploaded(harness.bucket, "crl/Workshop/ca.crl")) == [harness.workshop]
    for other in ("crl/Other/ca.crl", "index/x.sqlite", "crl/Workshop"):
        assert harness.concerned(uploaded(harness.bucket, other)) == []
    assert harness.concerned(uploaded("elsewhere", "crl/Factory/ca.crl")) == []


def test_an_upload_does_not_trigger_a_ca_with_a_crl_url(harness: Harness) -> None:
    harness.variables[environment.CRL_SOURCES] = json.dumps({harness.factory: {"url": "http://crl.example/"}})

    assert harness.concerned(uploaded(harness.bucket, "crl/x")) == []
    assert harness.settings[harness.factory].max_age is None


def test_the_watch_triggers_cas_with_a_missing_or_nearly_stale_index(harness: Harness) -> None:
    watch, now = {"trigger": "watch"}, Clock()()
    assert harness.concerned(watch) == [harness.factory, harness.workshop]
    soon = now + timedelta(hours=1)
    harness.upload("Factory", FACTORY, next_update=soon)
    harness.upload("Workshop", WORKSHOP)
    harness.invoke({"trigger": "schedule"})

    assert harness.concerned(watch, now) == []
    assert harness.concerned(watch, soon - harness.module.LEAD - timedelta(seconds=1)) == []
    assert harness.concerned(watch, soon - harness.module.LEAD) == [harness.factory]
    assert harness.concerned(watch, soon + timedelta(hours=2)) == [harness.factory]


@pytest.mark.parametrize("event", [{}, {"trigger": "whatever"}, {"source": "aws.ec2"}])
def test_any_other_event_is_an_error(harness: Harness, event: dict[str, Any]) -> None:
    with pytest.raises(harness.module.UnknownTriggerError):
        harness.concerned(event)


@pytest.mark.parametrize(("cas", "seconds"), [(1, 60), (4, 60), (12, 20)])
def test_servers_without_a_response_leave_time_for_all_cas(
    harness: Harness, cas: int, seconds: float
) -> None:
    configured = {f"{number:064x}": {"url": f"http://crl.example/{number}"} for number in range(cas)}
    harness.variables[environment.CRL_SOURCES] = json.dumps(configured)

    sources = [each.source for each in harness.settings.values()]

    assert [each.total_seconds for each in sources if isinstance(each, HttpSource)] == [seconds] * cas


def test_the_maximum_age_is_taken_from_the_settings(harness: Harness) -> None:
    harness.upload("Workshop", WORKSHOP)
    harness.invoke(uploaded(harness.bucket, "crl/Workshop/ca.crl"))

    current = harness.store.current(harness.workshop)
    assert current.usable_until is not None
    assert current.usable_until < Clock()() + timedelta(hours=12)


def test_the_figures_of_a_crl_are_measured(harness: Harness, capsys: pytest.CaptureFixture[str]) -> None:
    now = Clock()()
    harness.upload(
        "Factory", FACTORY, this_update=now - timedelta(hours=1), next_update=now + timedelta(days=1)
    )
    harness.invoke(uploaded(harness.bucket, "crl/Factory/ca.crl"))

    figures = measured(capsys.readouterr().out)

    passed = (datetime.now(UTC) - now).total_seconds()
    assert figures[harness.factory, "CrlUnusable"] == 0
    assert figures[harness.factory, "CrlEntries"] == 2
    assert 3600 <= figures[harness.factory, "CrlAge"] <= 3600 + passed
    assert 86_400 - passed <= figures[harness.factory, "CrlTimeLeft"] <= 86_400


def test_a_crl_without_end_is_published_measured_and_never_due(
    harness: Harness, capsys: pytest.CaptureFixture[str]
) -> None:
    now = Clock()()
    harness.upload("Factory", FACTORY, next_update=NO_END)
    harness.invoke(uploaded(harness.bucket, "crl/Factory/ca.crl"))

    left = measured(capsys.readouterr().out)[harness.factory, "CrlTimeLeft"]

    assert left == pytest.approx((NO_END - now).total_seconds(), abs=3600)
    assert harness.factory not in harness.concerned({"trigger": "watch"})


@pytest.mark.parametrize("usable_until", ["soon", "0001-01-01T00:00:00+00:00"])
def test_an_index_without_readable_metadata_or_that_was_always_stale_is_due(
    harness: Harness, usable_until: str
) -> None:
    metadata = {"usable-until": usable_until}
    harness.s3.put_object(Bucket=harness.bucket, Key=key(harness.factory), Body=b"", Metadata=metadata)

    assert harness.factory in harness.concerned({"trigger": "watch"})


def test_an_unusable_crl_is_logged_with_its_reason_and_measured(
    harness: Harness, capsys: pytest.CaptureFixture[str]
) -> None:
    harness.upload("Factory", WORKSHOP)

    lines = harness.invoke(uploaded(harness.bucket, "crl/Factory/ca.crl"))

    assert (lines[0]["level"], lines[0]["message"]) == ("ERROR", "crl_problem")
    assert (lines[0]["problem"], lines[0]["ca_certificate_id"]) == ("wrong_issuer", harness.factory)
    assert lines[0]["crl"] == f"s3://{harness.bucket}/crl/Factory/ca.crl"
    assert "RFC 5280 section 6.3.3" in lines[0]["detail"]
    figures = measured(capsys.readouterr().out)
    assert figures == {(harness.factory, "CrlUnusable"): 1, (harness.factory, "CrlTimeLeft"): 0}
