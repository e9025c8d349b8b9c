from dataclasses import replace
from typing import Any

import pytest

from iot_jitr.target import Target
from tests.support.stacks import DEFAULTS, template_of


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """The default template; synthesized once, never to be changed by a test."""
    return template_of(DEFAULTS)


@pytest.fixture(scope="session")
def local_template() -> dict[str, Any]:
    return template_of(replace(DEFAULTS, target=Target.LOCAL))
