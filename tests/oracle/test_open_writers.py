"""A writer that stays open over many runs loses nothing, however changes are captured."""

import pytest

from tests.oracle.conftest import MakeWorld
from tests.oracle.runners import Runners
from tests.oracle.world import World


def carry(world: World) -> None:
    assert world.run().status == "done"


def is_carried(world: World) -> bool:
    return world.verdict.live_rows() == world.table.rows()


@pytest.mark.parametrize("capture", ["row_version", "cursor", "log"])
def test_rows_of_a_transaction_open_over_three_runs_arrive_with_the_next(
    make_world: MakeWorld, sound_runners: Runners, capture: str
) -> None:
    world = make_world(sound_runners, capture=capture)
    world.write(world.table.insert_sql("k01", "Santos"))
    carry(world)
    world.begin(1)
    world.write(world.table.insert_sql("k02", "Santos"), 1)
    world.write(world.table.update_sql("k01", "Campinas", touches=True), 1)
    for key in ("k03", "k04", "k05"):
        world.write(world.table.insert_sql(key, "Santos"))
        carry(world)
    world.end(1)
    assert not is_carried(world)
    carry(world)
    assert is_carried(world)


@pytest.mark.parametrize("capture", ["row_version", "log"])
def test_an_update_that_touches_no_cursor_column_is_carried(
    make_world: MakeWorld, sound_runners: Runners, capture: str
) -> None:
    world = make_world(sound_runners, capture=capture)
    world.write(world.table.insert_sql("k01", "Santos"))
    carry(world)
    world.write(world.table.update_sql("k01", "Campinas", touches=False))
    carry(world)
    assert is_carried(world)
