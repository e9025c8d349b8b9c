"""Indexes in S3: complete, and an index replaces only the one that it was made from."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_runtime.revocation.index import DamagedIndexError, Index
from iot_jitr_runtime.revocation.store import (
    IndexMissingError,
    IndexReplacedError,
    IndexStore,
    Published,
    issuer_key,
    key,
)
from tests.support.buckets import new_bucket
from tests.support.crls import NOW, CrlSpec, Entry
from tests.support.faults import Fault, injected
from tests.support.indexes import CA_ID, compile_index

CA = DevelopmentCa.create()


@pytest.fixture
def store(s3: Any) -> IndexStore:
    return IndexStore(s3, new_bucket(s3))


class Indexes:
    def __init__(self, store: IndexStore, folder: Path) -> None:
        self.store = store
        self.folder = folder

    def publish(self, serial: int, instead_of: Published | None = None) -> tuple[Published, bytes]:
        index = compile_index(self.folder / f"made-{serial}", CA, CrlSpec([Entry(serial)], number=serial))
        index.close()
        self.store.publish(
            CA_ID, index.path, index.version, instead_of=instead_of, usable_until=NOW + timedelta(days=1)
        )
        return self.store.current(CA_ID), index.path.read_bytes()


@pytest.fixture
def indexes(store: IndexStore, tmp_path: Path) -> Indexes:
    return Indexes(store, tmp_path)


def test_a_download_returns_the_published_index(store: IndexStore, indexes: Indexes, tmp_path: Path) -> None:
    published, content = indexes.publish(1)

    downloaded = store.download(CA_ID, tmp_path / "here")

    assert downloaded == published == store.current(CA_ID)
    assert (tmp_path / "here").read_bytes() == content
    assert Index.open(tmp_path / "here").version == published.version


def test_current_does_not_read_the_index(s3: Any, store: IndexStore, indexes: Indexes) -> None:
    published, _ = indexes.publish(1)

    head = s3.head_object(Bucket=store.bucket, Key=key(CA_ID))
    assert published.usable_until == NOW + timedelta(days=1)
    assert (published.version_id, published.published_at) == (head["VersionId"], head["LastModified"])
    assert head["ContentType"] == "application/vnd.sqlite3"


UNREADABLE_METADATA = [
    {},
    *({"usable-until": text} for text in ("soon", "2026-01-01", "2026-01-01T00:00:00", "99999-01-01", "")),
]


@pytest.mark.parametrize("metadata", UNREADABLE_METADATA)
def test_an_object_without_readable_metadata_has_no_version_and_no_end(
    s3: Any, store: IndexStore, metadata: dict[str, str]
) -> None:
    s3.put_object(Bucket=store.bucket, Key=key(CA_ID), Body=b"put by hand", Metadata=metadata)

    assert (store.current(CA_ID).version, store.current(CA_ID).usable_until) == ("", None)


def test_where_nothing_was_published_the_index_is_missing(store: IndexStore, tmp_path: Path) -> None:
    with pytest.raises(IndexMissingError, match=f"no revocation index of CA {CA_ID}"):
        store.current(CA_ID)
    with pytest.raises(IndexMissingError):
        store.download(CA_ID, tmp_path / "here")
    with pytest.raises(IndexMissingError):
        store.download_newer(CA_ID, tmp_path / "here", '"etag"')
    assert list(tmp_path.iterdir()) == []


def test_only_a_newer_index_is_read(store: IndexStore, indexes: Indexes, tmp_path: Path) -> None:
    first, _ = indexes.publish(1)
    assert store.download_newer(CA_ID, tmp_path / "here", first.etag) is None
    assert not (tmp_path / "here").exists()
    second, content = indexes.publish(2, instead_of=first)

    assert store.download_newer(CA_ID, tmp_path / "here", first.etag) == second
    assert (tmp_path / "here").read_bytes() == content


def test_a_former_version_stays_available(store: IndexStore, indexes: Indexes, tmp_path: Path) -> None:
    first, content = indexes.publish(1)
    indexes.publish(2, instead_of=first)

    assert store.download(CA_ID, tmp_path / "here", version_id=first.version_id).version == first.version
    assert (tmp_path / "here").read_bytes() == content


def test_a_deleted_version_is_missing(store: IndexStore, indexes: Indexes, tmp_path: Path) -> None:
    indexes.publish(1)

    with pytest.raises(IndexMissingError):
        store.download(CA_ID, tmp_path / "here", version_id="a4711000-0000-0000-0000-000000000000")


def test_the_first_index_is_never_put_over_another(indexes: Indexes) -> None:
    indexes.publish(1)

    with pytest.raises(IndexReplacedError, match=f"{CA_ID} was published by another run"):
        indexes.publish(2, instead_of=None)


def test_an_index_is_put_only_over_the_one_it_was_made_from(store: IndexStore, indexes: Indexes) -> None:
    first, _ = indexes.publish(1)
    second, _ = indexes.publish(2, instead_of=first)

    with pytest.raises(IndexReplacedError):
        indexes.publish(3, instead_of=first)
    assert store.current(CA_ID) == second


def test_an_index_is_not_put_where_its_former_one_was_deleted(
    s3: Any, store: IndexStore, indexes: Indexes
) -> None:
    first, _ = indexes.publish(1)
    s3.delete_object(Bucket=store.bucket, Key=key(CA_ID))

    with pytest.raises(IndexReplacedError):
        indexes.publish(2, instead_of=first)


@pytest.mark.parametrize("how", ["half", "garbage", "without digest"])
def test_an_incomplete_download_leaves_no_file(
    s3: Any, store: IndexStore, indexes: Indexes, tmp_path: Path, how: str
) -> None:
    _, content = indexes.publish(1)
    head = s3.head_object(Bucket=store.bucket, Key=key(CA_ID))["Metadata"]
    body = {"half": content[: len(content) // 2], "garbage": b"\x00" * 100, "without digest": content}[how]
    s3.put_object(
        Bucket=store.bucket, Key=key(CA_ID), Body=body, Metadata=head if how != "without digest" else {}
    )

    with pytest.raises(DamagedIndexError, match="SHA-256 differs"):
        store.download(CA_ID, tmp_path / "here")
    assert not (tmp_path / "here").exists()
    assert not list(tmp_path.glob("*.part"))


def test_a_server_error_propagates(s3: Any, store: IndexStore, indexes: Indexes, tmp_path: Path) -> None:
    published, _ = indexes.publish(1)
    with injected(s3, "GetObject", Fault.SERVER_ERROR), pytest.raises(ClientError):
        store.download(CA_ID, tmp_path / "here")
    with injected(s3, "GetObject", Fault.ACCESS_DENIED), pytest.raises(ClientError):
        store.download_newer(CA_ID, tmp_path / "here", published.etag)
    with injected(s3, "HeadObject", Fault.ACCESS_DENIED), pytest.raises(ClientError):
        store.current(CA_ID)
    with injected(s3, "PutObject", Fault.SERVER_ERROR), pytest.raises(ClientError):
        indexes.publish(2, instead_of=published)


def test_a_conflicting_put_raises_the_replaced_error(s3: Any, indexes: Indexes) -> None:
    with Stubber(s3) as stub:
        stub.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
        with pytest.raises(IndexReplacedError):
            indexes.publish(1)


def test_a_failure_to_keep_or_read_a_ca_certificate_propagates(s3: Any, store: IndexStore) -> None:
    certificate = DevelopmentCa.create().certificate
    with injected(s3, "PutObject", Fault.SERVER_ERROR), pytest.raises(ClientError):
        store.store_issuer(CA_ID, certificate)
    with injected(s3, "GetObject", Fault.ACCESS_DENIED), pytest.raises(ClientError):
        store.issuer(CA_ID)


def test_the_certificate_of_a_ca_is_kept_as_it_was_first(s3: Any, store: IndexStore) -> None:
    first, second = DevelopmentCa.create("first").certificate, DevelopmentCa.create("second").certificate
    with pytest.raises(IndexMissingError, match=CA_ID):
        store.issuer(CA_ID)

    store.store_issuer(CA_ID, first)
    store.store_issuer(CA_ID, second)

    assert store.issuer(CA_ID) == first
    kept = s3.head_object(Bucket=store.bucket, Key=issuer_key(CA_ID))
    assert kept["ContentType"] == "application/x-pem-file"
