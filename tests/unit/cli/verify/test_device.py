"""The temporary device: its files, and one connect of it."""

from pathlib import Path

import pytest

from iot_jitr_cli.connect import Cause, Credentials, Step
from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.verify.device import ThrowAwayDevice, read_files
from tests.support.clock import Stopwatch
from tests.support.identities import ca, device
from tests.support.mqtt_broker import Act, broker


def test_the_device_is_signed_with_the_ca_key_and_valid_for_a_day(tmp_path: Path) -> None:
    certificate, key = ca().save(tmp_path)

    credentials, signer = read_files(certificate, key, None, None)

    made = credentials.chain.certificates[0]
    made.check_issued_by(ca().certificate)
    assert credentials.common_name.startswith("jitr-verify-")
    assert (made.not_after - made.not_before).days == 1
    assert signer is not None
    assert sorted(tmp_path.iterdir()) == sorted([certificate, key])


def test_the_device_may_be_given_by_chain_and_key(tmp_path: Path) -> None:
    files = device().save(tmp_path)

    credentials, signer = read_files(None, None, files.chain, files.key)

    assert (credentials.common_name, signer) == ("sensor-1", None)


@pytest.mark.parametrize(
    "given", ["", "ca_cert", "ca_key", "chain", "ca_cert ca_key key", "ca_cert ca_key chain key"]
)
def test_exactly_one_pair_of_files_is_required(given: str) -> None:
    names = ("ca_cert", "ca_key", "chain", "key")

    with pytest.raises(WrongUseError, match="--ca-cert and --ca-key"):
        read_files(*(Path(name) if name in given.split() else None for name in names))


@pytest.mark.timing
def test_the_device_connects_once_a_second_and_returns_its_last_step() -> None:
    watch = Stopwatch()
    script = (Act.ACCEPT, Act.HANG_UP_ON_CONNECT, Act.REFUSE_SUBSCRIPTION, Act.ACCEPT)
    with broker(*script) as running:
        tested = ThrowAwayDevice(
            Credentials.of(device()),
            running.endpoint,
            client_id="sensor-1",
            topic="devices/{client_id}/hello",
            sleep=watch.sleep,
            clock=watch,
        )

        accepted = tested.try_once()
        refused = tested.try_once(client_id="neighbour")
        not_heard = tested.try_once(subscribe=tested.topic_of("neighbour"))
        published_elsewhere = tested.try_once(publish=tested.topic_of("neighbour"))

    assert (accepted.failure, Step.RECEIVED in accepted.steps) == (None, True)
    assert (refused.refusal.cause, refused.steps) == (Cause.CLOSED_WITHOUT_CONNACK, frozenset())
    assert (not_heard.refusal.cause, not_heard.steps) == (Cause.SUBSCRIBE_REFUSED, {Step.CONNECTED})
    assert Step.PUBLISHED in published_elsewhere.steps
    assert running.client_ids == ["sensor-1", "neighbour", "sensor-1", "sensor-1"]
    assert running.subscribed[:2] == ["devices/sensor-1/hello", "devices/neighbour/hello"]
    assert watch.now == 3.0
