"""Runners shared by a session, and worlds of their own for each history."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from credix.settings import Settings
from tests.oracle.child import Runners
from tests.oracle.world import World

MakeWorld = Callable[..., World]


@pytest.fixture(scope="session")
def sound_runners(variables: dict[str, str]) -> Iterator[Runners]:
    """Runners of the product as it is."""
    runners = Runners(None, variables, spare=True)
    yield runners
    runners.close()


@pytest.fixture
def make_world(settings: Settings, tmp_path: Path) -> MakeWorld:
    """Makes worlds with a schema, a prefix and a folder of their own."""

    def make(runners: Runners, **given: Any) -> World:
        name = f"o_{uuid4().hex[:12]}"
        own: dict[str, Any] = {
            "postgres_schema": name,
            "prefix": name,
            "run_dir": tmp_path / name / "runs",
        }
        # A writer may hold its lock, and a zombie gold's lease, until the history ends.
        own |= {"retry_seconds": 0.5, "gold_wait_seconds": 0}
        return World(settings.model_copy(update=own), tmp_path / name, runners=runners, **given)

    return make
