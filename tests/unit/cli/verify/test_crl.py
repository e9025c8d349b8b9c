"""The CA's own CRL with one more entry: its content is kept, and only this object is replaced."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509

from iot_jitr_cli.console import CliError
from iot_jitr_cli.pki import DevelopmentCa, DeviceSpec
from iot_jitr_cli.verify.crl import publish_with_one_more, with_one_more
from iot_jitr_runtime.publisher.publish import PublicationReport, publish
from iot_jitr_runtime.publisher.s3 import S3Source
from iot_jitr_runtime.publisher.settings import CaSettings
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.model import UnusableCrlError
from iot_jitr_runtime.revocation.store import IndexStore
from tests.support.buckets import new_bucket, simulated_s3
from tests.support.crls import HOLD, KEY_COMPROMISE, NOW, CrlSpec, Entry, idp, make_crl
from tests.support.identities import ca
from tests.support.indexes import CA_ID

KEY = "crl/Factory/factory.crl"
DEVICE = ca().issue(DeviceSpec("jitr-verify-1")).certificate.x509
ENTRIES = [
    Entry(1, KEY_COMPROMISE),
    Entry(2, HOLD),
    Entry(3),
    Entry(2**158, None, [(x509.InvalidityDate(NOW.replace(tzinfo=None)), False)]),
]
KEY_ID = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca().certificate.x509.public_key())  # type: ignore[arg-type]
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")


@pytest.fixture
def s3() -> Iterator[Any]:
    with simulated_s3() as client:
        yield client


def publish_all(s3: Any, bucket: str) -> PublicationReport:
    settings = CaSettings(S3Source(s3, bucket, "crl/Factory/"))
    return publish(IndexStore(s3, bucket), CA_ID, ca().certificate, settings, datetime.now(UTC))


def published(s3: Any, bucket: str, spec: CrlSpec, key: str = KEY) -> None:
    """Upload a CRL and let the publisher put it in force."""
    s3.put_object(Bucket=bucket, Key=key, Body=make_crl(ca(), spec))
    assert publish_all(s3, bucket).changed


def test_the_new_crl_keeps_entries_and_extensions_and_adds_one_to_the_number() -> None:
    former = Crl.load(
        make_crl(ca(), CrlSpec(ENTRIES, number=41, extensions=[(KEY_ID, False), (UNKNOWN, False)]))
    )

    crl = Crl.load(with_one_more(former, ca(), DEVICE))

    *entries, last = list(crl.parsed)
    assert [(e.serial_number, e.revocation_date_utc, list(e.extensions)) for e in entries] == [
        (e.serial_number, e.revocation_date_utc, list(e.extensions)) for e in former.parsed
    ]
    assert last.serial_number == DEVICE.serial_number
    assert (crl.number, crl.next_update) == (42, former.next_update)
    assert crl.this_update >= former.this_update
    assert [e for e in crl.parsed.extensions if not isinstance(e.value, x509.CRLNumber)] == [
        e for e in former.parsed.extensions if not isinstance(e.value, x509.CRLNumber)
    ]


def add_device(s3: Any, bucket: str, signer: DevelopmentCa | None = None) -> tuple[Crl, Crl]:
    return publish_with_one_more(s3, bucket, CA_ID, signer or ca(), DEVICE)


def test_the_publisher_replaces_the_crl_in_force_with_the_new_one(s3: Any) -> None:
    bucket = new_bucket(s3)
    published(s3, bucket, CrlSpec(number=1), key="crl/Factory/history.crl")
    published(s3, bucket, CrlSpec(ENTRIES, number=7))

    former, signed = add_device(s3, bucket)

    assert (former.number, signed.number) == (7, 8)
    report = publish_all(s3, bucket)
    assert (report.problems, [crl.number for crl in report.crls]) == ([], [8])
    assert [crl.entries for crl in report.crls] == [len(ENTRIES) + 1]


def test_a_crl_that_the_ca_publishes_concurrently_is_not_overwritten(s3: Any) -> None:
    bucket = new_bucket(s3)
    published(s3, bucket, CrlSpec(number=7))
    newer = make_crl(ca(), CrlSpec(number=9))

    def publish_newer(**_: object) -> None:
        s3.meta.events.unregister("before-call.s3.PutObject", publish_newer)
        s3.put_object(Bucket=bucket, Key=KEY, Body=newer)

    s3.meta.events.register("before-call.s3.PutObject", publish_newer)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        add_device(s3, bucket)

    assert s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == newer


@pytest.mark.parametrize(
    ("in_force", "uploaded", "signer", "error"),
    [
        (CrlSpec(number=7), CrlSpec(number=9), ca(), "has changed since CRL number 7"),
        (
            CrlSpec(extensions=[idp("http://crl.example.com/other.crl")]),
            None,
            ca(),
            "covers this certificate",
        ),
        (CrlSpec(number=7), None, DevelopmentCa(ca().certificate, ca("Another CA").key), None),
    ],
    ids=["not in force yet", "a partition of other certificates", "not signed by the CA"],
)
def test_a_crl_that_cannot_be_extended_is_not_changed(
    s3: Any, in_force: CrlSpec, uploaded: CrlSpec | None, signer: DevelopmentCa, error: str | None
) -> None:
    bucket = new_bucket(s3)
    published(s3, bucket, in_force)
    if uploaded:
        s3.put_object(Bucket=bucket, Key=KEY, Body=make_crl(ca(), uploaded))
    before = s3.head_object(Bucket=bucket, Key=KEY)["ETag"]

    with pytest.raises((CliError, UnusableCrlError), match=error):
        add_device(s3, bucket, signer)

    assert s3.head_object(Bucket=bucket, Key=KEY)["ETag"] == before
