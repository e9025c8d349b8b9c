"""Revokes the throw-away device by the CA's own CRL: the CRL in force with one additional entry."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iot_jitr_cli.console import CliError
from iot_jitr_cli.pki import DevelopmentCa
from iot_jitr_runtime.ca_registration.verification import signature_hash
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.index import Index
from iot_jitr_runtime.revocation.store import IndexStore
from iot_jitr_runtime.revocation.verification import verify

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def publish_with_one_more(
    s3: "S3Client",
    index_bucket: str,
    ca: CaCertificateId,
    signer: DevelopmentCa,
    certificate: x509.Certificate,
) -> tuple[Crl, Crl]:
    """Replace the CRL in force for a certificate by one with an additional entry for the certificate.

    It replaces only the object that was read: a CRL that the CA has published meanwhile is not replaced.

    Returns:
        The CRL that was in force, and the new one with the next number.

    Raises:
        IndexMissingError, DamagedIndexError: There is no usable index.
        CliError: No CRL in force covers the certificate, or its object has changed meanwhile.
        UnusableCrlError: The new CRL would be unusable; nothing is written.
        botocore.exceptions.ClientError: S3 refused; `PreconditionFailed` if the object has changed.
    """
    with TemporaryDirectory(prefix="jitr-verify-") as folder:
        path = Path(folder) / "index.sqlite"
        IndexStore(s3, index_bucket).download(ca, path)
        with closing(Index.open(path)) as index:
            records = [record for record in index.crls if record.scope.covers(certificate)]
    if not records:
        raise CliError("no CRL in force covers this certificate")
    record = max(records, key=lambda each: each.order)
    bucket, _, key = record.origin.location.removeprefix("s3://").partition("/")
    answer = s3.get_object(Bucket=bucket, Key=key)
    former = Crl.load(answer["Body"].read())
    if former.digest != record.digest:
        raise CliError(
            f"{record.origin.location} has changed since CRL number {record.number} came into force: "
            "run this again when the new one is in force"
        )
    signed = Crl.load(with_one_more(former, signer, certificate))
    verify(signed, signer.certificate)
    s3.put_object(Bucket=bucket, Key=key, Body=signed.der, IfMatch=answer["ETag"])
    return former, signed


def with_one_more(crl: Crl, signer: DevelopmentCa, certificate: x509.Certificate) -> bytes:
    """Sign a CRL again with one additional entry and the next CRL number; return its DER.

    All entries, all extensions and nextUpdate stay the same; thisUpdate is now (RFC 5280 section 5.1.2.4).
    """
    now = max(datetime.now(UTC).replace(microsecond=0), crl.this_update)
    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(certificate.serial_number)
        .revocation_date(now)
        .add_extension(x509.CRLReason(x509.ReasonFlags.cessation_of_operation), critical=False)
        .build()
    )
    # All entries are added together: adding them one by one would copy the list each time.
    builder = x509.CertificateRevocationListBuilder(
        crl.parsed.issuer, now, crl.next_update, [], [*crl.parsed, entry]
    )
    for extension in crl.parsed.extensions:
        is_number = isinstance(extension.value, x509.CRLNumber)
        value = x509.CRLNumber(crl.number + 1) if is_number else extension.value
        builder = builder.add_extension(value, extension.critical)
    return builder.sign(signer.key, signature_hash(signer.key)).public_bytes(Encoding.DER)
