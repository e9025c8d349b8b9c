"""The time from the upload of a CRL to the close of the sockets: `python -m bench.sessions [DEVICES]`.

Real MQTT clients on the local cloud, IAM enforced. All devices are connected and on the list. Prints one line
of JSON for `docs/revocation.md`: the seconds from the end of the upload to the close of each socket.
"""

import json
import sys
import tempfile
import time
from contextlib import ExitStack
from math import ceil
from pathlib import Path

from iot_jitr_cli.connect import OpenSession, open_session
from iot_jitr_cli.demo.devices import ConnectingDevice, results
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime.rate_limiter import UTILISATION
from tests.support.cloud import TIME_LIMIT, deployed_cloud
from tests.support.crl_upload import CrlUpload

DEVICES = 100
FIRST = 10
"""Number of devices with separate results: all others wait for the rate limit of the calls."""
PER_SECOND = 10
"""`activations_per_second`, the default."""
_SETTINGS = {"revocation": {"mass_revocation_limit_percent": 100}}


def main(count: int = DEVICES) -> None:
    """Run it once and print the result."""
    with (
        tempfile.TemporaryDirectory(prefix="jitr-sessions-") as folder,
        deployed_cloud(Path(folder), _SETTINGS, revocation={"type": "bucket"}) as cloud,
    ):
        crl = CrlUpload(cloud)
        crl.publish()
        identities = [cloud.ca.issue(DeviceSpec(f"device-{number:03}")) for number in range(count)]
        endpoint = cloud.lab.broker()
        results([ConnectingDevice(each, endpoint) for each in identities])
        with ExitStack() as stack:
            sessions = [
                stack.enter_context(
                    open_session(
                        cloud.credentials(each), endpoint, each.certificate.common_names[0], TIME_LIMIT
                    )
                )
                for each in identities
            ]
            crl.revoke(*identities)
            crl.upload(crl.revocations.sign())
            uploaded = time.time()
            closed = sorted(_closed_at(each) - uploaded for each in sessions)
    print(json.dumps(_result(closed)))


def _closed_at(session: OpenSession | None) -> float:
    if session is None or not session.wait_until_closed(TIME_LIMIT) or session.closed_at is None:
        raise SystemExit("a device was not admitted, or its session was not closed")
    return session.closed_at


def _result(closed: list[float]) -> dict[str, float]:
    """Percentiles by nearest rank."""

    def percentile(values: list[float], share: float) -> float:
        return round(values[ceil(share * len(values)) - 1], 2)

    return {
        "devices": len(closed),
        "first_p50": percentile(closed[:FIRST], 0.5),
        "first_p99": percentile(closed[:FIRST], 0.99),
        "all_p50": percentile(closed, 0.5),
        "all_p99": percentile(closed, 0.99),
        "pace_of_the_calls": round(len(closed) / (PER_SECOND * UTILISATION), 2),
        # The seconds of each device minus its wait for the calls of the devices before it.
        "beside_the_pace_p99": percentile(
            sorted(at - number / (PER_SECOND * UTILISATION) for number, at in enumerate(closed)), 0.99
        ),
    }


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
