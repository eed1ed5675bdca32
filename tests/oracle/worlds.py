"""The worlds that histories are drawn in."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.paths import DATASETS
from credix.core.settings import Settings
from tests.oracle.notebooks import NotebookRunners
from tests.oracle.runners import Runners
from tests.oracle.world import World

# So few that every read is cut, block by block.
SLICE_BYTES = 1024

WORLDS: dict[str, dict[str, Any]] = {
    "companies by row version": {"source": "cnpj_ws"},
    "installments by row version, partitioned": {"source": "installments", "is_partitioned": True},
    "companies by row version, in slices": {"source": "cnpj_ws", "slice_bytes": SLICE_BYTES},
    "companies by cursor": {"source": "cnpj_ws", "capture": "cursor"},
    "companies by log": {"source": "cnpj_ws", "capture": "log"},
    "installments by log, partitioned": {
        "source": "installments",
        "capture": "log",
        "is_partitioned": True,
    },
    "installments by log, in slices": {
        "source": "installments",
        "capture": "log",
        "slice_bytes": SLICE_BYTES,
    },
}


def world_in(
    settings: Settings,
    folder: Path,
    runners: Runners | NotebookRunners,
    *,
    slice_bytes: int | None = None,
    **given: Any,
) -> World:
    """A world with a schema of its own, in the prefix of the settings, which is emptied.

    One world after another in one prefix: dbt parses its project anew for each prefix.
    """
    clear(settings)
    own: dict[str, Any] = {
        "postgres_schema": f"o_{uuid4().hex[:12]}",
        # A writer may hold its lock, and a zombie gold's lease, until the history ends.
        "retry_seconds": 0.5,
        "gold_wait_seconds": 0,
    }
    if slice_bytes:
        own["slice_bytes"] = slice_bytes
    return World(settings.model_copy(update=own), folder, runners=runners, **given)


def clear(settings: Settings) -> None:
    """Delete all files and datasets of the prefix."""
    lake, warehouse = Lake(settings, Effects()), Warehouse(settings, Effects())
    for bucket in (settings.lake_bucket, settings.archive_bucket):
        for blob in lake.objects(bucket, f"{settings.prefix}/"):
            lake.blob(blob).delete()
    for layer in DATASETS:
        dataset = warehouse.table_id(layer, "").rstrip(".")
        warehouse._client.delete_dataset(dataset, delete_contents=True, not_found_ok=True)
