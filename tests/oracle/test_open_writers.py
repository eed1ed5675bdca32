"""What one capture can miss and another not: open writers, and updates that touch no cursor."""

import pytest

from tests.oracle.conftest import MakeWorld
from tests.oracle.runners import Runners
from tests.oracle.world import World


@pytest.fixture
def world(make_world: MakeWorld, sound_runners: Runners, request: pytest.FixtureRequest) -> World:
    """A world of the requested capture, with a row that was carried."""
    made = make_world(sound_runners, capture=request.param)
    made.insert("k01")
    carry(made)
    return made


def carry(world: World) -> None:
    assert world.run().status == "done"


def is_carried(world: World) -> bool:
    return world.verdict.live_rows() == world.table.rows()


@pytest.mark.parametrize("world", ["row_version", "cursor", "log"], indirect=True)
def test_rows_of_a_transaction_open_over_three_runs_arrive_with_the_next(world: World) -> None:
    world.begin(1)
    world.insert("k02", writer=1)
    world.write(world.table.update_sql("k01", "Campinas", touches=True), 1)
    for key in ("k03", "k04", "k05"):
        world.insert(key)
        carry(world)
    world.end(1)
    assert not is_carried(world)
    carry(world)
    assert is_carried(world)


@pytest.mark.parametrize("world", ["row_version", "log"], indirect=True)
def test_an_update_that_touches_no_cursor_column_is_carried(world: World) -> None:
    world.write(world.table.update_sql("k01", "Campinas", touches=False))
    carry(world)
    assert is_carried(world)
