"""Objects of a bucket: downloaded, rewritten and read in ranges, always one exact generation."""

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from google.api_core import exceptions as google

from credix.clients.gcs.errors import translated
from credix.clients.gcs.lake import Lake
from credix.clients.gcs.stored import StoredObject
from credix.core.errors import StateError
from credix.core.settings import MEBIBYTE


def download(lake: Lake, stored: StoredObject, path: Path) -> bool:
    """Fetch the listed generation, its checksum compared; False when it is gone or replaced.

    Raises SettingsError when this identity may not read it.
    """
    location, generation = stored.address, stored.generation
    options: dict[str, Any] = {"timeout": lake.settings.google_timeout_seconds, "retry": None}

    def fetch() -> bool:
        blob = lake.blob(stored)
        try:
            blob.download_to_filename(
                str(path), if_generation_match=generation, checksum="crc32c", **options
            )
        except (google.NotFound, google.PreconditionFailed):
            return False
        if path.stat().st_size == stored.size:
            return True
        # The local server takes no notice of the condition.
        there = blob.bucket.get_blob(stored.name, **options)
        if there is None or there.generation != generation:
            return False
        raise google.DataLoss(f"{location}: {path.stat().st_size} bytes of {stored.size}")

    with translated(location, lake.settings):
        return lake.effects.read(location, fetch)


def retained_until(stored: StoredObject) -> datetime | None:
    """Until when the bucket's retention forbids to change the object; None when it may be now."""
    until = stored.retained_until
    return until if until and until > datetime.now(UTC) else None


def overwrite(lake: Lake, stored: StoredObject, content: Path, metadata: dict[str, str]) -> bool:
    """Replace that generation; False where the bucket or this identity's role forbids it.

    Raises StateError when another process has replaced it meanwhile.
    """
    location = stored.address
    options: dict[str, Any] = {"timeout": lake.settings.google_timeout_seconds, "retry": None}

    def put() -> bool:
        target = lake.blob(stored).bucket.blob(stored.name)
        target.metadata = metadata
        target.content_type = stored.content_type
        try:
            target.upload_from_filename(
                str(content), if_generation_match=stored.generation, checksum="crc32c", **options
            )
        except google.Forbidden:
            return False
        except google.PreconditionFailed:
            target.reload(**options)
            # An answer that was lost: what is there is what was sent.
            if target.crc32c != metadata["crc32c"]:
                raise StateError(f"{location} was replaced meanwhile: erase again.") from None
        return True

    return lake.effects.perform("erasure.rewrite", location, put)


# What is read at least at once: a footer and small column chunks come in one request.
CHUNK_BYTES = MEBIBYTE


class ObjectFile(io.RawIOBase):
    """The object as it was when it was listed, as a file to read from.

    Raises StateError when it is gone meanwhile.
    """

    def __init__(self, lake: Lake, stored: StoredObject) -> None:
        self.lake, self.stored, self.position = lake, stored, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.stored.size}
        self.position = origin[whence] + offset
        return self.position

    def readinto(self, buffer: Any) -> int:
        end = min(self.position + len(buffer), self.stored.size)
        if end <= self.position:
            return 0
        content = read_range(self.lake, self.stored, self.position, end)
        buffer[: len(content)] = content
        self.position = end
        return len(content)


def read_range(lake: Lake, stored: StoredObject, start: int, end: int) -> bytes:
    """Return the bytes from `start` to before `end`; raises StateError when the object is gone."""
    location, blob = stored.address, lake.blob(stored)
    once: dict[str, Any] = {"timeout": lake.settings.google_timeout_seconds, "retry": None}

    def download() -> bytes:
        content: bytes = blob.download_as_bytes(
            start=start, end=end - 1, if_generation_match=stored.generation, checksum=None, **once
        )
        if len(content) != end - start:
            raise google.DataLoss(f"{location}: {len(content)} bytes instead of {end - start}")
        return content

    with translated(location, lake.settings):
        try:
            return lake.effects.read(location, download)
        except google.NotFound:
            raise StateError(f"{location} was moved meanwhile. Ask again.") from None


def open_object(lake: Lake, stored: StoredObject) -> io.BufferedReader:
    """Return the object as a file.

    A server that does not answer is an error, never an empty file.
    """
    return io.BufferedReader(ObjectFile(lake, stored), CHUNK_BYTES)


def open_dataset(lake: Lake, files: Iterable[StoredObject], schema: pa.Schema) -> ds.Dataset:
    """Return the objects under one schema: a column that an older file lacks is null there."""
    form = ds.ParquetFileFormat()
    fragments = [form.make_fragment(open_object(lake, stored)) for stored in files]
    return ds.FileSystemDataset(fragments, schema, form)
