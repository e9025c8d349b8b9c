"""`jitr doctor` and `jitr status` where CAs have CRLs."""

import re
from typing import TYPE_CHECKING

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.pki.revocation_list import HOLD
from tests.support.command_line import run_jitr
from tests.support.doctor_result import assert_cause
from tests.support.least_policy import least_privileged
from tests.support.revoking import Revoking

if TYPE_CHECKING:
    from pathlib import Path


def test_a_revoked_certificate_and_one_on_hold(revoking: Revoking) -> None:
    stolen, borrowed = revoking.doctor.identity("stolen"), revoking.doctor.identity("borrowed")
    revoking.revoke(borrowed, reason=HOLD)
    revoking.revoke(stolen)
    revoking.publish()

    for device, cause in ((stolen, Cause.SERIAL_REVOKED), (borrowed, Cause.ON_HOLD)):
        revoking.connect_until_decided(device)
        assert_cause(revoking.doctor.about(device), cause)


def test_a_certificate_that_the_sweep_revoked(revoking: Revoking) -> None:
    device = revoking.cloud.admit_device("swept")
    revoking.revoke(device)
    revoking.publish()
    revoking.wait_for_status(device, "REVOKED")

    assert_cause(
        revoking.doctor.diagnose("--certificate-id", device.certificate.fingerprint), Cause.SERIAL_REVOKED
    )


def test_the_status_shows_the_crl_and_the_devices_in_service(revoking: Revoking) -> None:
    revoking.cloud.admit_device("counted")

    answer = run_jitr("status", "--json", variables=revoking.cloud.lab.variables).json

    (ca,), crls = answer["cas"], answer["crls"]
    assert (ca["name"], ca["status"]) == ("Lab", "ACTIVE")
    assert ca["devices"] >= 1
    assert {crl["ca"] for crl in crls} == {"Lab"}
    assert max(crl["number"] for crl in crls) >= 2
    assert answer["ledger"]["states"]["activated"] >= 1
    assert not [part for part in answer.values() if isinstance(part, dict) and part.get("permission")]


def test_all_devices_by_cause_and_the_page_with_the_least_permissions(
    revoking: Revoking, tmp_path: "Path"
) -> None:
    cloud, page = revoking.cloud, tmp_path / "fleet.html"
    device = revoking.doctor.registered(revoking.doctor.identity("<b>*</b>"))
    certificate_id = device.certificate.fingerprint
    cloud.wait_for_state(certificate_id, "refused")

    with least_privileged(cloud, "doctor") as allow:
        causes = run_jitr("doctor", "--all", "--json", variables=allow())
    with least_privileged(cloud, "status") as allow:
        written = run_jitr("status", "--html", page, "--json", variables=allow())

    answer = causes.json
    (found,) = (each for each in answer["clusters"] if each["cause"] == Cause.INVALID_COMMON_NAME)
    assert causes.exit_code == 1
    assert found["example"]["certificate_id"] == certificate_id
    assert (answer["complete"], answer["unknown"]) == (True, [])
    assert written.json["complete"], written.out
    html = page.read_text()
    assert page.stat().st_mode & 0o777 == 0o600
    assert html.count(certificate_id) >= 2  # as the cause's example, and in the search
    assert "&lt;b&gt;*&lt;/b&gt;" in html
    assert "<b>" not in html
    unread = re.findall(r"could not be read: ([^<]+)", html)
    assert [why.split(" (")[0] for why in unread] == ["Service Quotas does not respond"]


def test_a_stale_crl(revoking: Revoking) -> None:
    revoking.publish_stale()
    device = revoking.connect_until_decided(revoking.doctor.identity("came-while-stale"))

    try:
        assert_cause(revoking.doctor.about(device), Cause.CRL_STALE)
    finally:
        revoking.publish()
