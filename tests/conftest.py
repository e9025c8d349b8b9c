"""Which tests share a process, what it reads once, where its temporary files go, how property tests run."""

import gc
import os
import tempfile
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from hypothesis import HealthCheck, settings

# How long an example takes depends on what else the machine does: no test may fail by that.
settings.register_profile("generous", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("mutants", settings.get_profile("generous"), max_examples=10, derandomize=True)
settings.load_profile("generous")

# The CDK checks templates against AWS's schemas, which takes four times as long as the synthesis. cfn-lint,
# which has the same schemas, looks at every reviewed template, and the wheel's test leaves this on.
os.environ.setdefault("CDK_VALIDATION", "false")


SHARED_CLOUDS = (
    ("test_registration.py", "test_identity.py", "test_device_kit.py", "test_outcome_events.py"),
    ("test_doctor_revocation.py", "test_revocation.py", "test_verify.py"),
)
"""End-to-end tests that use the same deployments: of `cloud` and `asking_cloud`, and of `revoking`."""
SPREAD_OUT = ("test_oracle.py",)
"""Files whose tests have nothing in common and take long."""
LONGEST_FIRST = ("test_faults.py", "test_identity.py", "test_doctor.py", "test_ca_registration.py")
"""Of the end-to-end tests, which come before all others; one file stands for all with its deployment."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exclude what is imported from garbage collection, which took a quarter of the tests' time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        gc.set_threshold(700, 10, 100)  # a full collection is ten times as rare as by default


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file in one process, and those of the files that share a deployment.

    Those of `SPREAD_OUT` have nothing in common and take long: any process runs any of them.
    """
    from xdist.scheduler import LoadFileScheduling

    class ByDeployment(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = Path(super()._split_scope(nodeid))
            if file.name in SPREAD_OUT:
                return nodeid
            shared = next((names for names in SHARED_CLOUDS if file.name in names), None)
            return str(file.with_name(shared[0]) if shared and file.parent.name == "e2e" else file)

    return ByDeployment(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    is_long = item.path.parent.name == "e2e" and item.path.name in LONGEST_FIRST
    return LONGEST_FIRST.index(item.path.name) if is_long else len(LONGEST_FIRST)


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
