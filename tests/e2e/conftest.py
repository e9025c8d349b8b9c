"""Local clouds with the real stack, shared by the end-to-end tests of a process: deploying takes the time."""

from collections.abc import Iterator

import pytest

from tests.support.cloud import Cloud, deployed_cloud
from tests.support.revoking import Revoking, revoking_cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The shared cloud. Tests use devices of their own, so that they can run in any order."""
    with deployed_cloud(tmp_path_factory.mktemp("cloud")) as shared:
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
