"""A DynamoDB table with plain values, against DynamoDB's own expressions (moto)."""

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr

from iot_jitr_runtime.dynamodb import ConditionFailedError, Table, Update
from iot_jitr_runtime.ledger import KEY
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
            "k", {"none": None, "set": 2}, {"kept": 2, "default": 2}, {"sum": 2, "count": 2}, removes=["gone"]
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
