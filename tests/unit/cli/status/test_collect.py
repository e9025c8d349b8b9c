"""The whole: a part that cannot be read costs only itself."""

import pytest

from iot_jitr_cli.deployment import NoSuchStackError
from iot_jitr_cli.doctor.pipeline import Pipeline
from iot_jitr_cli.doctor.reading import MissingPermissionError
from iot_jitr_cli.status import collect
from iot_jitr_cli.status.collect import _quota, snapshot
from iot_jitr_cli.status.history import History
from iot_jitr_cli.status.snapshot import (
    QueueCounts,
    Unknown,
    read_part,
)
from tests.support.doctor_cloud import NOW, Cloud, configuration, stack
from tests.support.status_snapshot import HEALTHY


def test_a_part_that_may_not_be_read_costs_only_itself(cloud: Cloud) -> None:
    for _ in range(2):
        cloud.answers("cloudformation", "describe_stacks", stack(MetricsNamespace="N", ServiceName="s"))
    cloud.answers("lambda", "get_function_configuration", configuration(JITR_ACTIVATIONS_PER_SECOND="10"))
    cloud.refuses("dynamodb", "scan", "AccessDeniedException")
    cloud.answers("cloudwatch", "get_metric_data", {"MetricDataResults": []})
    cloud.answers("cloudwatch", "get_metric_data", {"MetricDataResults": []})
    for _ in range(2):
        cloud.answers("sqs", "get_queue_attributes", {"Attributes": {"QueueArn": "arn:q"}})
    cloud.answers("cloudwatch", "get_metric_data", {"MetricDataResults": []})
    cloud.refuses("iot", "describe_ca_certificate", "UnauthorizedException")
    cloud.answers("cloudwatch", "describe_alarms", {"MetricAlarms": []})
    for _ in range(3):
        cloud.answers("logs", "filter_log_events", {"events": []})

    found = snapshot(cloud, "stack", now=NOW)  # type: ignore[arg-type]

    assert found.quota_per_second == 10
    assert found.queues == QueueCounts(0, 0, 0, None, 0)
    assert {each.permission for each in found.unknown} == {"dynamodb:Scan", "iot:DescribeCACertificate"}


def test_without_the_function_there_is_no_quota_to_compare_with() -> None:
    cloud = Cloud()
    cloud.answers("cloudformation", "describe_stacks", stack())
    cloud.refuses("lambda", "get_function_configuration", "AccessDeniedException")
    pipeline = Pipeline(cloud, "stack", NOW)  # type: ignore[arg-type]

    assert _quota(pipeline) is None


def test_a_stack_that_is_not_there_is_an_error(cloud: Cloud) -> None:
    cloud.refuses("cloudformation", "describe_stacks", "ValidationError", "Stack x does not exist")

    with pytest.raises(NoSuchStackError):
        snapshot(cloud, "x")  # type: ignore[arg-type]


def test_what_could_not_be_learned_keeps_its_reason() -> None:
    def read() -> int:
        raise MissingPermissionError("a:b")

    assert read_part(read) == Unknown("the permission a:b is missing", "a:b")
    assert read_part(lambda: 5) == 5


def test_the_page_has_the_day_and_the_quotas_besides(monkeypatch: pytest.MonkeyPatch, cloud: Cloud) -> None:
    seen: list[object] = []
    monkeypatch.setattr(collect, "snapshot", lambda *given: seen.extend(given) or HEALTHY)
    cloud.answers("cloudformation", "describe_stacks", stack(MetricsNamespace="N", ServiceName="s"))
    cloud.answers("cloudwatch", "get_metric_data", {"MetricDataResults": []})
    cloud.refuses("service-quotas", "list_service_quotas", "AccessDeniedException")

    found = collect.fleet(cloud, "stack", 5, NOW, seen.append)  # type: ignore[arg-type]

    assert seen == [cloud, "stack", 5, NOW, seen.append]
    assert found.snapshot is HEALTHY
    assert isinstance(found.history, History)
    assert isinstance(found.quotas, Unknown)
    assert found.unknown == ()
