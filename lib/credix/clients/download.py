"""An object as it was when it was listed, on disk: another generation of it is another object."""

from pathlib import Path
from typing import Any

import google.cloud.storage as storage
from google.api_core import exceptions as google

from credix.clients.lake import Lake
from credix.clients.storage_errors import translated


def download(lake: Lake, blob: storage.Blob, path: Path) -> bool:
    """Fetch the listed generation, its checksum compared; False when it is gone or replaced.

    Raises SettingsError when this identity may not read it.
    """
    location = f"gs://{blob.bucket.name}/{blob.name}"
    options: dict[str, Any] = {"timeout": lake.settings.google_timeout_seconds, "retry": None}

    generation = blob.generation

    def fetch() -> bool:
        try:
            blob.download_to_filename(
                str(path), if_generation_match=generation, checksum="crc32c", **options
            )
        except (google.NotFound, google.PreconditionFailed):
            return False
        if path.stat().st_size == blob.size:
            return True
        # The local server takes no notice of the condition.
        there = blob.bucket.get_blob(blob.name, **options)
        if there is None or there.generation != generation:
            return False
        raise google.DataLoss(f"{location}: {path.stat().st_size} bytes of {blob.size}")

    with translated(location, lake.settings):
        return lake.effects.read(location, fetch)
