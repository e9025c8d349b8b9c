"""Local clouds with the real stack, shared by the end-to-end tests of a process: deploying takes the time."""

from collections.abc import Iterator

import pytest

from iot_jitr_cli.lab.ministack import ACCOUNT, REGION
from tests.support.admission_function import create_admission_function
from tests.support.cloud import Cloud, deployed_cloud
from tests.support.revoking import Revoking, revoking_cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The shared cloud. Tests use devices of their own, so that they can run in any order."""
    with deployed_cloud(tmp_path_factory.mktemp("cloud")) as shared:
        yield shared


@pytest.fixture(scope="session")
def asking_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud that asks an admission function and publishes outcome events."""
    name = "is-it-ours"
    settings = {
        "policy": {"options": ["shadow", "jobs"]},
        "admission": {
            "type": "function",
            "function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}",
            "timeout": "2 seconds",
        },
        "things": {"groups": ["fleet"]},
        "on_refusal": {"refused_by_function": "inactive"},
        "outcome_events": {},
        "reconciler": {"every": "1 day"},
    }
    with deployed_cloud(tmp_path_factory.mktemp("asking"), settings) as shared:
        create_admission_function(shared.lab.client, name)
        shared.client("iot").create_thing_group(thingGroupName="fleet")
        yield shared


@pytest.fixture(scope="session")
def revoking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Revoking]:
    """The shared cloud of a CA that publishes CRLs."""
    with revoking_cloud(tmp_path_factory.mktemp("revoking")) as shared:
        yield shared


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder, so that `-m 'not e2e'` leaves it out."""
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)
