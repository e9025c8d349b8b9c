import pytest

from iot_jitr_runtime.identifiers import CertificateId
from tests.support.account import Account
from tests.support.things import RENEWABLE, pending, with_things


@pytest.fixture
def old(aws: Account) -> CertificateId:
    """An active device, with a certificate an hour old."""
    with_things(aws, RENEWABLE)
    certificate_id = pending(aws, "sensor-7", age=1)
    aws.connect(certificate_id)
    return certificate_id


@pytest.fixture
def new(aws: Account, old: CertificateId) -> CertificateId:
    """The same device's next certificate, just active."""
    del old
    certificate_id = pending(aws, "sensor-7", age=0.5)
    aws.connect(certificate_id)
    return certificate_id
