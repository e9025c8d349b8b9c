"""Certificates of the ledger: read up to a limit, counted by state, CA and cause."""

from typing import Any

import pytest

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.reading import MissingPermissionError
from iot_jitr_cli.status import ledger
from iot_jitr_cli.status.certificate import Certificate, Group
from tests.support.doctor_cloud import Cloud
from tests.support.status_snapshot import DEPLOYMENT


def row(number: int, **attributes: str | int | bool) -> dict[str, Any]:
    """A row in DynamoDB's JSON."""

    def value(each: str | int | bool) -> dict[str, Any]:  # noqa: FBT001
        return (
            {"BOOL": each}
            if isinstance(each, bool)
            else {"N": str(each)}
            if isinstance(each, int)
            else {"S": each}
        )

    return {
        "certificateId": {"S": f"{number:064x}"},
        **{name: value(each) for name, each in attributes.items()},
    }


def page(*rows: dict[str, Any], more: bool = False) -> dict[str, Any]:
    key = {"LastEvaluatedKey": {"certificateId": {"S": "x"}}} if more else {}
    return {"Items": [*rows], "Count": len(rows), "ScannedCount": len(rows), **key}


def test_the_ledger_is_read_up_to_a_limit_and_marked_incomplete(cloud: Cloud) -> None:
    cloud.answers("dynamodb", "scan", page(*(row(n, state="activated") for n in range(1000)), more=True))
    refused = (row(n, state="refused", reason="expired") for n in range(500))
    cloud.answers("dynamodb", "scan", page(*refused, more=True))

    found = ledger.count(cloud, DEPLOYMENT, 1500)  # type: ignore[arg-type]

    assert found.states == {"activated": 1000, "refused: expired": 500}
    assert (found.rows, found.complete, found.certificates) == (1500, False, 1500)


def test_items_that_are_no_certificates_are_not_counted(cloud: Cloud) -> None:
    counter = {"certificateId": {"S": "#fleet#ca#0"}, "devices": {"N": "3"}}
    task = {"certificateId": {"S": "#task"}, "state": {"S": "failed"}}
    lease = row(1, leaseExpiresAt=5)
    cloud.answers("dynamodb", "scan", page(counter, task, lease, row(2, state="activated", reason="expired")))

    found = ledger.count(cloud, DEPLOYMENT, 10_000)  # type: ignore[arg-type]

    assert found.states == {"activated": 1}
    assert (found.rows, found.complete) == (4, True)


def test_no_row_may_be_asked_for(cloud: Cloud) -> None:
    found = ledger.count(cloud, DEPLOYMENT, 0)  # type: ignore[arg-type]

    assert (found.certificates, found.rows, found.complete) == (0, 0, False)


def test_certificates_are_counted_by_ca_and_whether_their_device_is_in(cloud: Cloud) -> None:
    cloud.answers(
        "dynamodb",
        "scan",
        page(
            row(1, state="activated", inFleet=True, caCertificateId="a"),
            row(2, state="known", inFleet=True, caCertificateId="a"),
            row(3, state="deferred", reason="crl_stale", caCertificateId="a"),
            row(4, state="suspended", caCertificateId="b"),
            row(5, state="activated", caCertificateId="b"),
            row(6, state="of a newer version", caCertificateId="b"),
            row(7, state="refused", reason="bad_signature"),
        ),
    )

    found = ledger.count(cloud, DEPLOYMENT, 10)  # type: ignore[arg-type]

    assert found.by_ca == {
        "a": {Group.IN_SERVICE: 2, Group.WAITING: 1},
        "b": {Group.REVOKED: 1, Group.OTHER: 2},
        "": {Group.REFUSED: 1},
    }
    assert found.group(Group.OTHER) == 2


def test_those_that_are_not_in_are_clustered_and_everyone_is_shown_each(cloud: Cloud) -> None:
    first = row(
        1,
        state="refused",
        reason="not_listed",
        serialNumber="a1b",
        commonName="x",
        firstSeenAt=5,
        decidedAt=9,
    )
    cloud.answers("dynamodb", "scan", page(first, row(2, state="activated", inFleet=True)))
    seen: list[Certificate] = []

    found = ledger.count(cloud, DEPLOYMENT, 10, seen.append)  # type: ignore[arg-type]

    (cluster,) = found.clusters
    assert (cluster.cause, cluster.certificates) == (Cause.NOT_LISTED, 1)
    assert seen[0] == cluster.example
    assert (seen[0].serial_number, seen[0].first_seen_at, seen[0].decided_at) == ("a1b", 5, 9)
    assert [each.group for each in seen] == [Group.REFUSED, Group.IN_SERVICE]


def test_a_ledger_that_may_not_be_read_is_reported(cloud: Cloud) -> None:
    cloud.refuses("dynamodb", "scan", "AccessDeniedException")

    with pytest.raises(MissingPermissionError) as raised:
        ledger.count(cloud, DEPLOYMENT, 10)  # type: ignore[arg-type]

    assert raised.value.permission == "dynamodb:Scan"
