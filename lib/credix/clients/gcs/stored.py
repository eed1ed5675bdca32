"""An object of a bucket as a listing names it: one exact generation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import google.cloud.storage as storage


@dataclass(frozen=True)
class StoredObject:
    """What a listing says of an object; `retained_until` is the end of its bucket's retention."""

    bucket: str
    name: str
    generation: int
    size: int
    crc32c: str
    metadata: Mapping[str, str]
    created_at: datetime
    content_type: str | None
    retained_until: datetime | None

    @property
    def address(self) -> str:
        return f"gs://{self.bucket}/{self.name}"

    @classmethod
    def of(cls, blob: storage.Blob) -> "StoredObject":
        """Return what a listed blob of Google's client says."""
        return cls(
            bucket=blob.bucket.name,
            name=blob.name,
            generation=int(blob.generation),
            size=int(blob.size),
            crc32c=blob.crc32c,
            metadata=dict(blob.metadata or {}),
            created_at=blob.time_created,
            content_type=blob.content_type,
            retained_until=blob.retention_expiration_time,
        )
