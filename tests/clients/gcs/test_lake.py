"""Objects in the buckets, against a running server."""

import os
import socket
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import google_crc32c
import pytest

from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.clients.gcs.stored import StoredObject
from credix.core.errors import SettingsError, StateError, TransientError
from credix.core.settings import Settings

CONTENT = b"PAR1 some rows PAR1"


@pytest.fixture
def bucket(settings: Settings) -> str:
    return settings.lake_bucket


@pytest.fixture(autouse=True)
def misleading_variable(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's client looks into the environment itself, though only the settings count."""
    assert settings.storage_endpoint
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")


@pytest.fixture
def folder(settings: Settings) -> str:
    return f"{settings.prefix}/lake"


@pytest.fixture
def without_bucket(settings: Settings) -> Lake:
    missing = settings.model_copy(update={"lake_bucket": "nobody-made-this-bucket"})
    return Lake(missing, Effects(settings.retry_seconds))


def crc32c(content: bytes) -> str:
    checksum = google_crc32c.Checksum()
    checksum.update(content)
    return b64encode(checksum.digest()).decode()


def blob_of(lake: Lake, bucket: str, path: str) -> StoredObject:
    (found,) = lake.objects(bucket, path)
    return found


class TestSmallObjects:
    def test_what_is_written_is_read_with_its_generation(
        self, lake: Lake, bucket: str, folder: str
    ) -> None:
        path = f"{folder}/state.json"
        assert lake.read_text(bucket, path) is None
        assert lake.write_if_unchanged("state.test", bucket, path, "ação", 0)
        text, generation = lake.read_text(bucket, path) or ("", 0)
        assert (text, generation > 0) == ("ação", True)
        assert lake.write_if_unchanged("state.test", bucket, path, "next", generation)
        assert not lake.write_if_unchanged("state.test", bucket, path, "late", generation)
        assert not lake.write_if_unchanged("state.test", bucket, path, "late", 0)
        assert (lake.read_text(bucket, path) or ("", 0))[0] == "next"

    @pytest.mark.parametrize("is_first", [True, False])
    def test_one_of_sixteen_writers_wins(
        self, settings: Settings, bucket: str, folder: str, is_first: bool
    ) -> None:
        path, generation = f"{folder}/race.json", 0
        lakes = [Lake(settings, Effects(settings.retry_seconds)) for _ in range(16)]
        if not is_first:
            assert lakes[0].write_if_unchanged("state.test", bucket, path, "before", 0)
            generation = (lakes[0].read_text(bucket, path) or ("", 0))[1]

        def write(number: int) -> bool:
            return lakes[number].write_if_unchanged(
                "state.test", bucket, path, str(number), generation
            )

        with ThreadPoolExecutor(16) as pool:
            won = list(pool.map(write, range(16)))
        assert won.count(True) == 1
        assert (lakes[0].read_text(bucket, path) or ("", 0))[0] == str(won.index(True))


class TestUpload:
    def test_the_same_content_twice_is_one_object(
        self, lake: Lake, bucket: str, folder: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "part.parquet"
        file.write_bytes(CONTENT)
        path = f"{folder}/part.parquet"
        for _ in range(2):
            lake.upload(
                "lake.upload", bucket, path, file, metadata={"seq": "7"}, crc32c=crc32c(CONTENT)
            )
        blob = blob_of(lake, bucket, path)
        assert (blob.crc32c, blob.metadata["seq"]) == (crc32c(CONTENT), "7")
        assert lake.read_bytes(bucket, path) == CONTENT

    def test_another_content_under_the_same_name_is_refused(
        self, lake: Lake, bucket: str, folder: str
    ) -> None:
        path = f"{folder}/part.parquet"
        lake.upload("lake.upload", bucket, path, CONTENT, crc32c=crc32c(CONTENT))
        with pytest.raises(StateError, match=f"gs://{bucket}/{path} exists already"):
            lake.upload("lake.upload", bucket, path, b"else", crc32c=crc32c(b"else"))
        assert lake.read_bytes(bucket, path) == CONTENT

    def test_a_file_that_changed_since_it_was_described_is_refused(
        self, lake: Lake, bucket: str, folder: str
    ) -> None:
        with pytest.raises(StateError):
            lake.upload("lake.upload", bucket, f"{folder}/x", CONTENT, crc32c=crc32c(b"else"))

    def test_without_a_checksum_the_first_content_stays(
        self, lake: Lake, bucket: str, folder: str
    ) -> None:
        path = f"{folder}/manifest.json"
        lake.upload("archive.upload", bucket, path, b"first")
        lake.upload("archive.upload", bucket, path, b"second")
        assert lake.read_bytes(bucket, path) == b"first"

    def test_a_deleted_object_is_gone_and_deleting_it_again_is_success(
        self, lake: Lake, bucket: str, folder: str
    ) -> None:
        path = f"{folder}/x"
        lake.upload("lake.upload", bucket, path, CONTENT)
        lake.delete("lake.delete", bucket, path)
        lake.delete("lake.delete", bucket, path)
        assert lake.objects(bucket, path) == []
        with pytest.raises(StateError, match=f"gs://{bucket}/{path} is gone"):
            lake.read_bytes(bucket, path)


class TestMove:
    def test_the_object_is_in_one_place_with_its_metadata_and_the_reason(
        self, lake: Lake, bucket: str, folder: str
    ) -> None:
        path, target = f"{folder}/landing/x", f"{folder}/failed/x"
        lake.upload("lake.upload", bucket, path, CONTENT, metadata={"seq": "7"})
        lake.move("lake.reject", blob_of(lake, bucket, path), bucket, target, "a reason")
        assert lake.objects(bucket, path) == []
        moved = blob_of(lake, bucket, target)
        assert moved.metadata == {"seq": "7", "reason": "a reason"}
        assert lake.read_bytes(bucket, target) == CONTENT

    def test_it_is_finished_when_it_died_between_copy_and_delete(
        self, lake: Lake, settings: Settings, bucket: str, folder: str
    ) -> None:
        archive = settings.archive_bucket
        path = f"{folder}/x"
        for place in (bucket, archive):
            lake.upload("lake.upload", place, path, CONTENT, crc32c=crc32c(CONTENT))
        lake.move("lake.archive", blob_of(lake, bucket, path), archive, path)
        assert lake.objects(bucket, path) == []
        assert lake.read_bytes(archive, path) == CONTENT

    def test_it_is_success_when_it_had_been_moved_already(
        self, lake: Lake, settings: Settings, bucket: str, folder: str
    ) -> None:
        path = f"{folder}/x"
        lake.upload("lake.upload", bucket, path, CONTENT)
        listed = blob_of(lake, bucket, path)
        for _ in range(2):
            lake.move("lake.archive", listed, settings.archive_bucket, path)
        assert lake.read_bytes(settings.archive_bucket, path) == CONTENT

    def test_an_object_that_is_nowhere_is_not_taken_for_moved(
        self, lake: Lake, settings: Settings, bucket: str, folder: str
    ) -> None:
        path = f"{folder}/x"
        lake.upload("lake.upload", bucket, path, CONTENT)
        listed = blob_of(lake, bucket, path)
        lake.delete("lake.delete", bucket, path)
        with pytest.raises(StateError, match=f"gs://{bucket}/{path} is gone"):
            lake.move("lake.archive", listed, settings.archive_bucket, path)

    def test_an_object_that_holds_something_else_is_not_overwritten(
        self, lake: Lake, settings: Settings, bucket: str, folder: str
    ) -> None:
        archive, path = settings.archive_bucket, f"{folder}/x"
        lake.upload("lake.upload", bucket, path, CONTENT)
        lake.upload("lake.upload", archive, path, b"else")
        with pytest.raises(StateError, match="exists already with another content"):
            lake.move("lake.archive", blob_of(lake, bucket, path), archive, path)
        assert lake.read_bytes(archive, path) == b"else"
        assert lake.read_bytes(bucket, path) == CONTENT


class TestFolders:
    def test_only_the_next_level_is_listed_in_order(
        self, lake: Lake, bucket: str, folder: str
    ) -> None:
        for name in ("b/x", "a/x", "a/deeper/x", "file"):
            lake.upload("lake.upload", bucket, f"{folder}/{name}", CONTENT)
        assert lake.folders(bucket, f"{folder}/") == [f"{folder}/a/", f"{folder}/b/"]


class TestFaults:
    def test_a_missing_bucket_is_named_with_its_setting(self, without_bucket: Lake) -> None:
        lake, missing = without_bucket, without_bucket.settings.lake_bucket
        words = f"gs://{missing} does not exist.*CREDIX_LAKE_BUCKET"
        with pytest.raises(SettingsError, match=words):
            lake.read_text(missing, "x/state.json")
        with pytest.raises(SettingsError, match=words):
            lake.write_if_unchanged("state.test", missing, "x/state.json", "{}", 0)
        with pytest.raises(SettingsError, match=words):
            lake.upload("lake.upload", missing, "x/part", CONTENT)
        with pytest.raises(SettingsError, match=words):
            lake.objects(missing, "x/")

    def test_a_missing_archive_keeps_the_object_where_it_is(
        self, lake: Lake, settings: Settings, bucket: str, folder: str
    ) -> None:
        missing = settings.model_copy(update={"archive_bucket": "nobody-made-this-archive"})
        path = f"{folder}/x"
        lake.upload("lake.upload", bucket, path, CONTENT)
        with pytest.raises(SettingsError, match=r"nobody-made-this-archive.*CREDIX_ARCHIVE_BUCKET"):
            Lake(missing, Effects(5)).move(
                "lake.archive", blob_of(lake, bucket, path), missing.archive_bucket, path
            )
        assert lake.read_bytes(bucket, path) == CONTENT

    def test_buckets_are_made_once(self, lake: Lake, settings: Settings) -> None:
        name = settings.postgres_schema.replace("_", "-")
        for _ in range(2):
            lake.create_bucket(name)
        assert lake.objects(name, "") == []

    def test_the_environment_stays_as_it_is(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("STORAGE_EMULATOR_HOST")
        lake = Lake(settings, Effects(settings.retry_seconds))
        assert lake.read_text(settings.lake_bucket, "nothing") is None
        assert "STORAGE_EMULATOR_HOST" not in os.environ

    def test_a_server_that_does_not_answer_ends_in_time(self, settings: Settings) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        down = settings.model_copy(update={"storage_endpoint": address})
        with pytest.raises(TransientError, match=f"gs://{settings.lake_bucket}/x does not answer"):
            Lake(down, Effects(0)).read_text(settings.lake_bucket, "x")
