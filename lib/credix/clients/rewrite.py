"""An object written anew over exactly one generation: how a row leaves a file that is archived."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import google.cloud.storage as storage
from google.api_core import exceptions as google

from credix.clients.lake import Lake
from credix.core.errors import StateError


def retained_until(blob: storage.Blob) -> datetime | None:
    """Until when the bucket's retention forbids to change the object; None when it may be now."""
    until = blob.retention_expiration_time
    return until if until and until > datetime.now(UTC) else None


def overwrite(
    lake: Lake, blob: storage.Blob, generation: int, content: Path, metadata: dict[str, str]
) -> bool:
    """Replace that generation; False where the bucket or this identity's role forbids it.

    Raises StateError when somebody has replaced it meanwhile.
    """
    location = f"gs://{blob.bucket.name}/{blob.name}"
    options: dict[str, Any] = {"timeout": lake.settings.google_timeout_seconds, "retry": None}

    def put() -> bool:
        target = blob.bucket.blob(blob.name)
        target.metadata = metadata
        target.content_type = blob.content_type
        try:
            target.upload_from_filename(
                str(content), if_generation_match=generation, checksum="crc32c", **options
            )
        except google.Forbidden:
            return False
        except google.PreconditionFailed:
            target.reload(**options)
            # An answer that was lost: what lies there is what was sent.
            if target.crc32c != metadata["crc32c"]:
                raise StateError(f"{location} was replaced meanwhile: erase again.") from None
        return True

    return lake.effects.perform("erasure.rewrite", location, put)
