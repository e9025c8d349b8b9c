"""Which tests share a process, what a process reads once, and how long property tests may take."""

import os
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

SHARED_CLOUD = "cloud"
"""The fixture that deploys the stack once for all tests of a process."""
SHARED_TEMPLATES = "snapshot"
"""The folder whose files look at the same templates."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests together, and all that share the deployed stack: each process deploys its own."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        folder = item.path.parent
        alone = str(folder if folder.name == SHARED_TEMPLATES else item.path)
        group = SHARED_CLOUD if SHARED_CLOUD in fixtures else alone
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session", autouse=True)
def _service_models_read_once() -> Iterator[None]:
    # A test that calls a command makes a session of its own, and reading AWS's services takes 0.3 s of CPU.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.loaders, "create_loader", cache(botocore.loaders.create_loader))
        yield
