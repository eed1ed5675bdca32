"""The worlds that histories are drawn in."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from credix.settings import Settings
from tests.oracle.child import Runners
from tests.oracle.world import World

WORLDS: dict[str, dict[str, Any]] = {
    "companies by row version": {"source": "cnpj_ws"},
    "installments by row version, partitioned": {"source": "installments", "is_partitioned": True},
    "companies by cursor": {"source": "cnpj_ws", "capture": "cursor"},
}


def world_in(settings: Settings, folder: Path, runners: Runners, **given: Any) -> World:
    """A world with a schema, a prefix and a folder of its own."""
    name = f"o_{uuid4().hex[:12]}"
    own: dict[str, Any] = {
        "postgres_schema": name,
        "prefix": name,
        "run_dir": folder / name / "runs",
        # A writer may hold its lock, and a zombie gold's lease, until the history ends.
        "retry_seconds": 0.5,
        "gold_wait_seconds": 0,
    }
    return World(settings.model_copy(update=own), folder / name, runners=runners, **given)
