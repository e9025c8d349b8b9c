"""A DynamoDB table with plain values, against DynamoDB's own expressions (moto)."""

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr

from iot_jitr_runtime.dynamodb import ConditionFailedError, Table, Update, still
from iot_jitr_runtime.ledger import KEY
from iot_jitr_runtime.outcomes import DeferredError, Reason
from tests.support.account import Account


@pytest.fixture
def table(aws: Account) -> Table:
    return Table(aws.dynamodb, aws.table, KEY)


def test_an_item_comes_back_with_plain_values(table: Table) -> None:
    written: dict[str, Any] = {"name": "x", "number": 3, "flag": True, "map": {"a": "b"}}

    assert table.update(Update("k", written)) == table.get("k") == {KEY: "k", **written}
    assert table.get("none") is None


@pytest.mark.parametrize("attribute", ["state", "name", "newest/ca", "two words"])
def test_any_attribute_may_be_written_and_compared(table: Table, attribute: str) -> None:
    table.update(Update("k", {attribute: "old"}))
    item = table.update(Update("k", {attribute: "new"}, condition=Attr(attribute).eq("old")))
    assert item[attribute] == "new"


def test_one_update_sets_keeps_adds_and_removes(table: Table) -> None:
    table.update(Update("k", {"kept": 1, "gone": 1, "none": 1, "sum": 1}))

    item = table.update(
        Update(
            "k",
            {"none": None, "set": 2, "gone": None},
            {"kept": 2, "default": 2},
            {"sum": 2, "count": 2},
        )
    )

    assert item == {KEY: "k", "set": 2, "kept": 1, "default": 2, "sum": 3, "count": 2}


def test_a_condition_that_is_not_met_changes_nothing_and_shows_the_item(table: Table) -> None:
    table.update(Update("k", {"state": "known"}))
    update = Update("k", {"state": "new"}, condition=Attr("state").not_exists())

    with pytest.raises(ConditionFailedError) as caught:
        table.update(update)

    assert caught.value.found == table.get("k") == {KEY: "k", "state": "known"}


def test_two_items_change_both_or_neither(table: Table) -> None:
    first = Update("a", {"state": "x"}, condition=Attr("state").not_exists())
    count = Update("b", adds={"count": 1})

    table.update_together(first, count)
    with pytest.raises(ConditionFailedError):
        table.update_together(first, count)

    assert table.get("b") == {KEY: "b", "count": 1}


@pytest.mark.parametrize(("value", "other"), [("x", None), (None, "x"), ("x", "y")])
def test_an_attribute_is_compared_with_what_was_read(
    table: Table, value: str | None, other: str | None
) -> None:
    table.update(Update("k", {"state": value}))

    with pytest.raises(ConditionFailedError):
        table.update(Update("k", {"a": 1}, condition=still("state", other)))
    table.update(Update("k", {"b": 1}, condition=still("state", value)))

    assert set(table.get("k") or {}) - {"state"} == {KEY, "b"}


def test_an_item_is_read_consistently(table: Table) -> None:
    consistent: list[bool] = []
    table.client.meta.events.register(
        "provide-client-params.dynamodb.GetItem",
        lambda params, **_: consistent.append(params["ConsistentRead"]),
    )

    table.get("k")

    assert consistent == [True]


@pytest.mark.parametrize("rounds", [0, 3, 5])
def test_unprocessed_keys_are_requested_again_five_times_at_most(
    table: Table, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iot_jitr_runtime.dynamodb._BATCH_PAUSE_SECONDS", 0)
    table.update(Update("k", {"a": 1}))
    left = [1] * rounds

    def leave_unprocessed(parsed: dict[str, Any], **_: Any) -> None:
        if left:
            left.pop()
            parsed["Responses"] = {}
            parsed["UnprocessedKeys"] = {table.name: {"Keys": [{KEY: {"S": "k"}}], "ConsistentRead": True}}

    table.client.meta.events.register("after-call.dynamodb.BatchGetItem", leave_unprocessed)
    if rounds < 5:
        assert list(table.get_many(["k", "missing"])) == [{KEY: "k", "a": 1}]
    else:
        with pytest.raises(DeferredError) as deferred:
            list(table.get_many(["k"]))
        assert deferred.value.reason is Reason.THROTTLED
    assert not left
