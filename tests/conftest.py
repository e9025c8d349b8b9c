"""Which tests share a process, what it reads once, where its temporary files go, how property tests run."""

import os
import tempfile
from collections.abc import Iterator
from functools import cache

import botocore.session
import pytest
from hypothesis import HealthCheck, settings

# How long an example takes depends on what else the machine does: no test may fail by that.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("mutants", settings.get_profile("patient"), max_examples=10, derandomize=True)
settings.load_profile("patient")

# The CDK checks templates against AWS's schemas, which takes four times as long as the synthesis. cfn-lint,
# which has the same schemas, looks at every reviewed template, and the wheel's test leaves this on.
os.environ.setdefault("CDK_VALIDATION", "false")


DEPLOYMENTS = ("cloud", "listed_cloud", "asking_cloud")
"""Fixtures of the end-to-end tests that deploy for tests of several files, or of a part of a file."""
LONGEST_FIRST = ("test_faults.py", "test_doctor.py", "test_ca_registration.py")
"""Files of the end-to-end tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a deployment, or else of a file, in one process; begin with what takes longest."""
    for item in items:
        names = getattr(item, "fixturenames", ()) if _is_end_to_end(item) else ()
        group = next((name for name in DEPLOYMENTS if name in names), str(item.path))
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    is_long = _is_end_to_end(item) and item.path.name in LONGEST_FIRST
    return LONGEST_FIRST.index(item.path.name) if is_long else len(LONGEST_FIRST)


def _is_end_to_end(item: pytest.Item) -> bool:
    return item.path.parent.name == "e2e"


@pytest.fixture(scope="session", autouse=True)
def _service_models_read_once() -> Iterator[None]:
    # A test that calls a command makes a session of its own, and reading AWS's services takes 0.3 s of CPU.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session", autouse=True)
def _temporary_files_beside_pytests_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    # A function keeps its copies of indexes while its process lives. What a run that is killed leaves behind,
    # pytest clears away with its own folders, which the system does not.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary-files")))
        yield
