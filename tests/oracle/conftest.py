"""Runners shared by a session, and worlds of their own for each history."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from credix.settings import Settings
from tests.oracle.child import Runners
from tests.oracle.world import World
from tests.oracle.worlds import world_in

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
        return world_in(settings, tmp_path, runners, **given)

    return make
