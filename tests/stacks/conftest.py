from typing import Any

import pytest

from tests.support.stacks import DEFAULTS, local_template_of, template_of


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """The default template; synthesized once, never to be changed by a test."""
    return template_of(DEFAULTS)


@pytest.fixture(scope="session")
def local_template() -> dict[str, Any]:
    return local_template_of(DEFAULTS)
