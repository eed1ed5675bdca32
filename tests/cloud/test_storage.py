"""What the product relies on of Cloud Storage, and of who may do what."""

import os
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from google.api_core import exceptions as google

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import CHUNK_BYTES, Lake
from credix.clients.gcs.objects import download
from credix.clients.gcs.stored import StoredObject
from credix.core.addresses import history_address
from credix.core.errors import CredixError, SettingsError, StateError
from credix.core.settings import Settings
from tests.cloud.target import only_google

# A service account with no right on datasets and buckets, which this identity may impersonate.
STRANGER = os.environ.get("TEST_STRANGER")
# One with roles/storage.objectCreator and objectViewer on the archive, and no right to delete.
CREATOR = os.environ.get("TEST_CREATOR")


@pytest.fixture
def path(live: Settings) -> str:
    return f"{live.prefix}/live/{uuid4().hex}"


def listed(lake: Lake, path: str) -> StoredObject:
    (blob,) = lake.objects(lake.settings.lake_bucket, path)
    return blob


def test_a_small_object_is_written_over_one_generation_only(live_lake: Lake, path: str) -> None:
    bucket = live_lake.settings.lake_bucket
    assert live_lake.write_if_unchanged("state.test", bucket, path, "first", 0)
    assert not live_lake.write_if_unchanged("state.test", bucket, path, "late", 0)
    text, generation = live_lake.read_text(bucket, path) or ("", 0)
    assert text == "first"
    assert live_lake.write_if_unchanged("state.test", bucket, path, "second", generation)
    assert not live_lake.write_if_unchanged("state.test", bucket, path, "late", generation)


@only_google
def test_a_large_object_is_created_once_only(live_lake: Lake, path: str, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(os.urandom(2 * CHUNK_BYTES + 1))
    blob = live_lake._client.bucket(live_lake.settings.lake_bucket).blob(path)
    blob.chunk_size = CHUNK_BYTES
    blob.upload_from_filename(str(file), if_generation_match=0)
    with pytest.raises(google.PreconditionFailed):
        blob.upload_from_filename(str(file), if_generation_match=0)


@only_google
def test_a_page_is_shown_to_nobody_without_a_login(live_lake: Lake, path: str) -> None:
    """Neither at Google's plain address nor by a server of pages; the console asks by itself."""
    bucket = live_lake.settings.lake_bucket
    live_lake.replace("page.put", bucket, path, b"<html></html>", "text/html", "no-store")
    plain = f"https://storage.googleapis.com/{bucket}/{path}"
    for address in {plain, history_address(live_lake.settings)}:
        answer = requests.get(address, timeout=30, allow_redirects=False)
        assert answer.status_code in (302, 401, 403), address


def test_a_replaced_object_is_not_downloaded(live_lake: Lake, path: str, tmp_path: Path) -> None:
    bucket = live_lake.settings.lake_bucket
    live_lake.upload("lake.upload", bucket, path, b"first")
    old = listed(live_lake, path)
    live_lake.replace("page.put", bucket, path, b"second", "text/plain", "no-store")
    assert not download(live_lake, old, tmp_path / "x")


@only_google
def test_a_replaced_object_is_not_deleted(live_lake: Lake, path: str) -> None:
    bucket = live_lake.settings.lake_bucket
    live_lake.upload("lake.upload", bucket, path, b"first")
    old = listed(live_lake, path)
    live_lake.replace("page.put", bucket, path, b"second", "text/plain", "no-store")
    with pytest.raises(google.PreconditionFailed):
        live_lake.blob(old).delete(if_generation_match=old.generation)


def test_an_object_is_moved_with_its_facts(live_lake: Lake, path: str) -> None:
    bucket = live_lake.settings.lake_bucket
    live_lake.upload("lake.upload", bucket, path, b"rows", metadata={"seq": "7"})
    live_lake.move("lake.reject", listed(live_lake, path), bucket, f"{path}-moved", "a reason")
    moved = listed(live_lake, path)
    assert (moved.name, moved.metadata) == (f"{path}-moved", {"seq": "7", "reason": "a reason"})


@only_google
def test_a_moved_object_leaves_no_version(live_lake: Lake, path: str) -> None:
    """Deleted by name, or overwritten, it would: the bucket keeps versions."""
    bucket = live_lake.settings.lake_bucket
    for name in (f"{path}-moved", f"{path}-deleted"):
        live_lake.upload("lake.upload", bucket, name, b"rows")
    live_lake.move("lake.reject", listed(live_lake, f"{path}-moved"), bucket, f"{path}-copy")
    live_lake.delete("lake.delete", bucket, f"{path}-deleted")
    versions = live_lake._client.list_blobs(bucket, prefix=path, versions=True)
    assert {blob.name for blob in versions} == {f"{path}-copy", f"{path}-deleted"}


@only_google
@pytest.mark.skipif(not CREATOR, reason="TEST_CREATOR names no service account that may create")
def test_who_may_not_delete_finds_what_is_there(live: Settings, path: str) -> None:
    """412 comes before 403, on which a repeated upload of the workbook into the archive relies."""
    bucket = live.archive_bucket
    lake = Lake(live.model_copy(update={"impersonated_account": CREATOR}), Effects(5))
    lake.upload("lake.archive", bucket, path, b"kept", crc32c="tGewSA==")
    lake.upload("lake.archive", bucket, path, b"kept", crc32c="tGewSA==")
    with pytest.raises(StateError, match="another content"):
        lake.upload("lake.archive", bucket, path, b"other", crc32c="AAAAAA==")
    with pytest.raises(google.PreconditionFailed):
        lake._client.bucket(bucket).blob(path).upload_from_string(b"x", if_generation_match=0)
    with pytest.raises(SettingsError, match="denied"):
        lake.delete("lake.delete", bucket, path)


@only_google
def test_the_buckets_are_as_terraform_makes_them(live_lake: Lake) -> None:
    settings = live_lake.settings
    for name in (settings.lake_bucket, settings.archive_bucket, settings.runs_bucket):
        bucket = live_lake._client.get_bucket(name)
        assert bucket.iam_configuration.uniform_bucket_level_access_enabled, name
        assert bucket.iam_configuration.public_access_prevention == "enforced", name
        assert list(bucket.lifecycle_rules), name
    archive = live_lake._client.get_bucket(settings.archive_bucket)
    assert archive.retention_period
    assert archive.soft_delete_policy.retention_duration_seconds is not None


@only_google
def test_a_retained_object_is_not_deleted(live_lake: Lake, path: str) -> None:
    """It stays in the archive until its retention is over, a few bytes."""
    bucket = live_lake.settings.archive_bucket
    live_lake.upload("lake.archive", bucket, path, b"kept")
    (blob,) = live_lake.objects(bucket, path)
    assert blob.retained_until
    with pytest.raises(google.Forbidden):
        live_lake.blob(blob).delete()


@only_google
@pytest.mark.skipif(not STRANGER, reason="TEST_STRANGER names no service account without rights")
def test_who_has_no_role_is_told_so(live: Settings, path: str) -> None:
    strange = live.model_copy(update={"impersonated_account": STRANGER})
    with pytest.raises(SettingsError, match=r"denied.*grant this identity"):
        Lake(strange, Effects(5)).read_text(live.lake_bucket, path)
    with pytest.raises(SettingsError, match=r"denied.*grant this identity"):
        Warehouse(strange, Effects(5)).columns("temp", "cnpj_ws_schema")


def test_a_missing_bucket_is_named(live_lake: Lake) -> None:
    with pytest.raises(CredixError, match="credix-nobody-made-this"):
        live_lake.objects("credix-nobody-made-this", "")
