"""Runners shared by a session, and worlds of their own for each history."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from credix.core.settings import Settings
from tests.oracle.runners import Runners, WarmProcess
from tests.oracle.world import World
from tests.oracle.worlds import world_in

MakeWorld = Callable[..., World]


@pytest.fixture(scope="session")
def oracle_settings(
    variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """A prefix for all worlds of the session, which follow one another."""
    folder = tmp_path_factory.mktemp("oracle")
    return Settings.parse(
        {**variables, "CREDIX_PREFIX": "oracle", "CREDIX_RUN_DIR": str(folder / "runs")}
    )


@pytest.fixture(scope="session")
def warm_process(oracle_settings: Settings) -> Iterator[WarmProcess]:
    """The process that all runners of the session descend from."""
    with closing(WarmProcess(oracle_settings)) as warm:
        yield warm


@pytest.fixture(scope="session")
def sound_runners(warm_process: WarmProcess) -> Iterator[Runners]:
    """Runners of the product as it is."""
    with closing(Runners(None, warm_process)) as runners:
        yield runners


@pytest.fixture
def make_world(oracle_settings: Settings, tmp_path: Path) -> Iterator[MakeWorld]:
    """Makes a world with a schema and a folder of its own, which ends with the test."""
    made: list[World] = []

    def make(runners: Runners, **given: Any) -> World:
        made.append(world_in(oracle_settings, tmp_path / uuid4().hex, runners, **given))
        return made[-1]

    yield make
    for world in made:
        world.close()
