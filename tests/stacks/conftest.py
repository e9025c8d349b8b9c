from collections.abc import Iterator
from typing import Any

import aws_cdk as cdk
import pytest

from tests.support.stacks import DEFAULTS, HOME, app_without_bundling, local_template_of, template_of


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """The default template; synthesized once; a test must not change it."""
    return template_of(DEFAULTS)


@pytest.fixture(scope="session")
def local_template() -> dict[str, Any]:
    return local_template_of(DEFAULTS)


@pytest.fixture
def app() -> Iterator[cdk.App]:
    with app_without_bundling() as opened:
        yield opened


@pytest.fixture
def fleet(app: cdk.App) -> cdk.Stack:
    """A stack for a pipeline."""
    return cdk.Stack(app, "Fleet", env=HOME)


@pytest.fixture
def team(app: cdk.App) -> cdk.Stack:
    """The stack of another team."""
    return cdk.Stack(app, "Team", env=HOME)
