"""Records of erasures and the secret of their hashes, in the lake bucket; kept apart from rows."""

import secrets

from credix.clients.gcs.lake import Lake
from credix.core.errors import StateError
from credix.core.paths import paths_of
from credix.operations.erasure.request import Erasure, read_erasure

SECRET_BYTES = 32


class ErasureStore:
    """What is below `<prefix>/erasures/`, and `<prefix>/state/erasure_key`."""

    def __init__(self, lake: Lake) -> None:
        self.lake, self.settings = lake, lake.settings
        self.paths = paths_of(lake.settings)

    def secret(self) -> bytes:
        """Created once; without it nothing can say whose rows the records are of."""
        bucket, path = self.settings.lake_bucket, self.paths.erasure_key
        found = self.lake.read_text(bucket, path)
        if found is None:
            made = secrets.token_hex(SECRET_BYTES)
            self.lake.write_if_unchanged("erasure.make_key", bucket, path, made, 0)
            found = self.lake.read_text(bucket, path)
        try:
            return bytes.fromhex(found[0].strip() if found else "?")
        except ValueError:
            raise StateError(f"gs://{bucket}/{path} is no key: restore its version.") from None

    def records(self, source: str) -> list[Erasure]:
        """Return all erasures of a source, the oldest first."""
        listed = self.lake.objects(self.settings.lake_bucket, self.paths.erasures(source))
        found = [self._read(stored.name) for stored in listed]
        return sorted(filter(None, found), key=lambda record: record.requested_at)

    def read(self, source: str, erasure_id: str) -> Erasure | None:
        return self._read(self._path(source, erasure_id))

    def save(self, effect: str, record: Erasure) -> Erasure:
        """Write the record over its earlier form."""
        bucket = self.settings.lake_bucket
        path = self._path(record.source, record.id)
        text = record.model_dump_json(indent=2) + "\n"
        for _ in range(3):
            before = self.lake.read_text(bucket, path)
            generation = before[1] if before else 0
            if self.lake.write_if_unchanged(effect, bucket, path, text, generation):
                return record
        raise StateError(f"gs://{bucket}/{path} is written by another process. Try again.")

    def _path(self, source: str, erasure_id: str) -> str:
        return f"{self.paths.erasures(source)}{erasure_id}.json"

    def _read(self, path: str) -> Erasure | None:
        bucket = self.settings.lake_bucket
        text = self.lake.read_text(bucket, path)
        return read_erasure(text[0], f"gs://{bucket}/{path}") if text else None
