from collections.abc import Iterator

import pytest

from tests.support.doctor_cloud import Cloud


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    fresh = Cloud()
    yield fresh
    fresh.check()
