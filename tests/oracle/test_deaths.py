"""Wherever a run dies, the next ones make bronze equal the source, and no file is lost."""

import pytest

from tests.oracle.child import Stop
from tests.oracle.conftest import MakeWorld
from tests.oracle.deaths import LOG_PLACES, PLACES, survive
from tests.oracle.runners import Runners

# Dying before an effect is dying after the one before it: `make oracle-deaths` does both.
COMPANIES = [(place, {"source": "cnpj_ws"}) for place in PLACES]
INSTALLMENTS = [
    (place, {"source": "installments", "capture": "log", "is_partitioned": True})
    for place in ("bronze.merge", *LOG_PLACES)
]


@pytest.mark.parametrize(("place", "world"), COMPANIES + INSTALLMENTS, ids=str)
def test_death_after_a_side_effect_is_not_felt(
    make_world: MakeWorld, sound_runners: Runners, place: str, world: dict[str, str]
) -> None:
    survive(make_world(sound_runners, **world), place, "after")


def test_a_value_set_back_after_a_merge_that_was_never_committed_is_carried(
    make_world: MakeWorld, sound_runners: Runners
) -> None:
    world = make_world(sound_runners)
    world.begin(1)
    world.write(world.table.insert_sql("k02", "Santos"), 1)
    world.write(world.table.insert_sql("k01", "Santos"))
    world.run()  # will read the row again: the open writer holds it back
    world.write(world.table.update_sql("k01", "Campinas", touches=False))
    world.run(Stop("bronze.merge", "after"))
    world.write(world.table.update_sql("k01", "Santos", touches=False))
    world.finish()
