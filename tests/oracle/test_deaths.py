"""Wherever a run dies, the next ones make bronze equal the source, and no file is lost."""

import pytest

from tests.oracle.child import Stop
from tests.oracle.conftest import MakeWorld
from tests.oracle.deaths import LOG_PLACES, PLACES, survive
from tests.oracle.runners import Runners
from tests.oracle.worlds import WORLDS

# Dying before an effect is dying after the one before it: `make oracle-deaths` does both.
DEATHS = [
    *((place, "companies by row version") for place in PLACES),
    *((place, "installments by log, partitioned") for place in ("bronze.merge", *LOG_PLACES)),
]


@pytest.mark.parametrize(("place", "world"), DEATHS)
def test_death_after_a_side_effect_is_not_felt(
    make_world: MakeWorld, sound_runners: Runners, place: str, world: str
) -> None:
    survive(make_world(sound_runners, **WORLDS[world]), place, "after")


def test_a_value_set_back_after_a_merge_that_was_never_committed_is_carried(
    make_world: MakeWorld, sound_runners: Runners
) -> None:
    world = make_world(sound_runners)
    world.begin(1)
    world.insert("k02", writer=1)
    world.insert("k01")
    world.run()  # will read the row again: the open writer holds it back
    world.write(world.table.update_sql("k01", "Campinas", touches=False))
    world.run(Stop("bronze.merge", "after"))
    world.write(world.table.update_sql("k01", "Santos", touches=False))
    world.finish()
