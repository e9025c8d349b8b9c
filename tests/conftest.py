"""Which tests run in one process when several share the work (`make test`)."""

import pytest

SHARED_CLOUD = "cloud"
"""The fixture that deploys the stack once for all tests of a process."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests together, and all that share the deployed stack: each process deploys its own."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        group = SHARED_CLOUD if SHARED_CLOUD in fixtures else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
