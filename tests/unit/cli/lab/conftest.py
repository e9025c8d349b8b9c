"""One local cloud for the tests that connect devices to it."""

from collections.abc import Iterator

import pytest

from iot_jitr_cli.lab.lab import Lab
from tests.support.lab_with_ca import lab_with_ca


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A local cloud without a deployment, in which a CA is registered."""
    with lab_with_ca(tmp_path_factory.mktemp("labs")) as running:
        yield running
