"""What a process of tests reads once, where its temporary files go, how long its property tests may take."""

import os
import tempfile
from collections.abc import Iterator
from functools import cache

import botocore.loaders
import pytest
from hypothesis import HealthCheck, settings

# How long an example takes depends on what else the machine does: no test may fail by that.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("mutants", settings.get_profile("patient"), max_examples=10, derandomize=True)
settings.load_profile("patient")

# The CDK checks templates against AWS's schemas, which takes four times as long as the synthesis. cfn-lint,
# which has the same schemas, looks at every reviewed template, and the wheel's test leaves this on.
os.environ.setdefault("CDK_VALIDATION", "false")


@pytest.fixture(scope="session", autouse=True)
def _service_models_read_once() -> Iterator[None]:
    # A test that calls a command makes a session of its own, and reading AWS's services takes 0.3 s of CPU.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.loaders, "create_loader", cache(botocore.loaders.create_loader))
        yield


@pytest.fixture(scope="session", autouse=True)
def _temporary_files_beside_pytests_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    # A function keeps its copies of indexes while its process lives. What a run that is killed leaves behind,
    # pytest clears away with its own folders, which the system does not.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary-files")))
        yield
