"""Google Cloud Storage: small objects written with a generation, large ones under content names."""

from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any

import google.cloud.storage as storage
from google.api_core import exceptions as google

from credix.clients.credentials import google_credentials, open_session
from credix.clients.effects import Effects
from credix.clients.gcs.errors import translated
from credix.clients.gcs.stored import StoredObject
from credix.core.errors import StateError
from credix.core.settings import MEBIBYTE, Settings

# A file travels in chunks of this size; Google's default holds 100 MiB of it in memory.
CHUNK_BYTES = 8 * MEBIBYTE


class Lake:
    """The buckets of one environment. Every write is an effect with a name."""

    def __init__(self, settings: Settings, effects: Effects) -> None:
        self.settings, self.effects = settings, effects
        with self._translated("Google Cloud Storage"):
            credentials = google_credentials(settings)
            self._client = storage.Client(
                project=settings.gcp_project,
                credentials=credentials,
                _http=open_session(settings, credentials),
                client_options=(
                    {"api_endpoint": settings.storage_endpoint}
                    if settings.storage_endpoint
                    else None
                ),
            )
        self._once: dict[str, Any] = {"timeout": settings.google_timeout_seconds, "retry": None}

    def read_text(self, bucket: str, path: str) -> tuple[str, int] | None:
        """Return the object's text and generation; None when there is no such object.

        Bytes that are no text are replaced, so that its parser refuses it by name.
        """
        location = f"gs://{bucket}/{path}"

        def download() -> tuple[str, int] | None:
            blob = self._client.bucket(bucket).blob(path)
            try:
                content = self._download(blob)
            except google.NotFound:
                self.require_bucket(bucket)
                return None
            return content.decode(errors="replace"), int(blob.generation)

        with self._translated(location):
            return self.effects.read(location, download)

    def read_bytes(self, bucket: str, path: str) -> bytes:
        """Return the object's content; raises StateError when it is gone."""
        location = f"gs://{bucket}/{path}"
        blob = self._client.bucket(bucket).blob(path)
        with self._translated(location):
            try:
                return self.effects.read(location, lambda: self._download(blob))
            except google.NotFound:
                raise StateError(f"{location} is gone, though the state names it.") from None

    def write_if_unchanged(
        self,
        effect: str,
        bucket: str,
        path: str,
        text: str,
        generation: int,
        *,
        content_type: str = "application/json",
        cache_control: str | None = None,
    ) -> bool:
        """Write a small object over exactly this generation (0: it must not exist yet).

        False when another process wrote it in between. A write whose answer was lost is found by
        its content.
        """
        location = f"gs://{bucket}/{path}"
        blob = self._client.bucket(bucket).blob(path)
        blob.cache_control = cache_control
        tries = count()

        def upload() -> bool:
            is_first = next(tries) == 0
            try:
                blob.upload_from_string(
                    text.encode(),
                    content_type=content_type,
                    if_generation_match=generation,
                    **self._once,
                )
            except google.PreconditionFailed:
                found = None if is_first else self._find(bucket, path)
                return found is not None and self._download(found) == text.encode()
            return True

        with self._translated(location):
            return self.effects.perform(effect, location, upload)

    def upload(
        self,
        effect: str,
        bucket: str,
        path: str,
        content: Path | bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: dict[str, str] | None = None,
        crc32c: str | None = None,
    ) -> None:
        """Create an object that must not exist yet; an equal one that does is success.

        With `crc32c` an existing object is compared by content, without it by existence.
        """
        location = f"gs://{bucket}/{path}"

        def create() -> None:
            blob = self._client.bucket(bucket).blob(path)
            blob.metadata = metadata
            options: dict[str, Any] = {
                "content_type": content_type,
                "if_generation_match": 0,
                **self._once,
            }
            try:
                if isinstance(content, Path):
                    blob.chunk_size = CHUNK_BYTES
                    blob.upload_from_filename(str(content), checksum="crc32c", **options)
                else:
                    blob.upload_from_string(content, checksum="crc32c", **options)
            except google.PreconditionFailed:
                blob.reload(**self._once)
            if crc32c and blob.crc32c != crc32c:
                raise StateError(f"{location} exists already with another content.")

        with self._translated(location):
            self.effects.perform(effect, location, create)

    def replace(
        self,
        effect: str,
        bucket: str,
        path: str,
        content: bytes,
        content_type: str,
        cache_control: str,
    ) -> None:
        """Write an object over whatever is there: for pages, which each run may write again."""
        location = f"gs://{bucket}/{path}"

        def put() -> None:
            blob = self._client.bucket(bucket).blob(path)
            blob.cache_control = cache_control
            blob.upload_from_string(content, content_type, checksum="crc32c", **self._once)

        with self._translated(location):
            self.effects.perform(effect, location, put)

    def holds(self, bucket: str, path: str, crc32c: str) -> bool:
        """Return True when the object is there with this content."""
        location = f"gs://{bucket}/{path}"
        with self._translated(location):
            blob = self.effects.read(location, lambda: self._find(bucket, path))
            return blob is not None and blob.crc32c == crc32c

    def objects(self, bucket: str, prefix: str) -> list[StoredObject]:
        """Return all objects below a prefix, with their metadata."""
        location = f"gs://{bucket}/{prefix}"

        def listing() -> list[StoredObject]:
            listed = self._client.list_blobs(bucket, prefix=prefix, **self._once)
            return [StoredObject.of(blob) for blob in listed]

        with self._translated(location):
            return self.effects.read(location, listing)

    def folders(self, bucket: str, prefix: str) -> list[str]:
        """Return names of the folders directly below a prefix that ends in '/'."""
        location = f"gs://{bucket}/{prefix}"

        def listing() -> list[str]:
            pages = self._client.list_blobs(bucket, prefix=prefix, delimiter="/", **self._once)
            for _ in pages:
                pass
            return sorted(pages.prefixes)

        with self._translated(location):
            return self.effects.read(location, listing)

    def move(
        self,
        effect: str,
        stored: StoredObject,
        bucket: str,
        path: str,
        reason: str | None = None,
    ) -> None:
        """Copy create-only, compare checksums, then delete the original by its generation.

        A versioned bucket keeps no version of what is deleted so: the copy is what there is.

        Raises StateError when another object has the name, or when the original is gone and was
        not moved.
        """
        location = f"gs://{bucket}/{path}"

        def copy_and_delete() -> None:
            target = self._find(bucket, path) or self._copy(stored, bucket, path, reason)
            if target.crc32c != stored.crc32c:
                raise StateError(f"{location} exists already with another content.")
            try:
                blob = self.blob(stored)
                blob.delete(if_generation_match=stored.generation, **self._once)
            except google.NotFound:
                return

        with self._translated(location):
            self.effects.perform(effect, location, copy_and_delete)

    def _download(self, blob: storage.Blob) -> bytes:
        """The content; its generation is then known. Raises DataLoss for another server's page."""
        content: bytes = blob.download_as_bytes(**self._once)
        if blob.generation is None:
            raise google.DataLoss(f"gs://{blob.bucket.name}/{blob.name} came without generation")
        return content

    def _find(self, bucket: str, path: str) -> storage.Blob | None:
        found: storage.Blob | None = self._client.bucket(bucket).get_blob(path, **self._once)
        return found

    def blob(self, stored: StoredObject) -> storage.Blob:
        """Return Google's handle on that generation of the object."""
        bucket = self._client.bucket(stored.bucket)
        found: storage.Blob = bucket.blob(stored.name, generation=stored.generation)
        return found

    def _copy(
        self, stored: StoredObject, bucket: str, path: str, reason: str | None
    ) -> storage.Blob:
        blob = self.blob(stored)
        target = self._client.bucket(bucket).blob(path)
        target.metadata = {**stored.metadata, **({"reason": reason} if reason else {})}
        target.content_type = stored.content_type
        try:
            token, _, _ = target.rewrite(blob, if_generation_match=0, **self._once)
            while token:
                token, _, _ = target.rewrite(blob, token=token, if_generation_match=0, **self._once)
        except google.PreconditionFailed:
            target.reload(**self._once)
        except google.NotFound:
            self.require_bucket(bucket)
            moved = self._find(bucket, path)
            if moved is None:
                raise StateError(
                    f"{stored.address} is gone, and gs://{bucket}/{path} does "
                    "not have it: it was deleted. Restore it, or run again."
                ) from None
            return moved
        found: storage.Blob = target
        return found

    def delete(self, effect: str, bucket: str, path: str) -> None:
        location = f"gs://{bucket}/{path}"

        def remove() -> None:
            try:
                self._client.bucket(bucket).blob(path).delete(**self._once)
            except google.NotFound:
                return

        with self._translated(location):
            self.effects.perform(effect, location, remove)

    def create_bucket(self, name: str) -> None:
        def create() -> None:
            try:
                self._client.create_bucket(
                    name, location=self.settings.bigquery_location, **self._once
                )
            except google.Conflict:
                return

        with self._translated(f"gs://{name}"):
            self.effects.perform("lake.create_bucket", f"gs://{name}", create)

    def require_bucket(self, name: str) -> None:
        """Raise SettingsError when there is no such bucket.

        A listing needs no right on the bucket itself, which an identity of least privilege lacks.
        """

        def list_one() -> None:
            listed = self._client.list_blobs(
                name, prefix=f"{self.settings.prefix}/state/", max_results=1, **self._once
            )
            next(iter(listed), None)

        with self._translated(f"gs://{name}"):
            self.effects.read(f"gs://{name}", list_one)

    def _translated(self, location: str) -> AbstractContextManager[None]:
        return translated(location, self.settings)
