"""Death at every side effect of a run, on both sides of it, and what the next runs make of it."""

from tests.oracle.child import Outcome, Stop
from tests.oracle.machine import EFFECTS
from tests.oracle.world import DELETES, World

MOMENTS = ("before", "after")
# What only capture by log has to do.
LOG_PLACES = ("source.create_slot", "source.advance_slot")
# What it has not: the log names each change once.
REREADS_PLACES = ("state.rereads", "state.forget_rereads")
# The last two happen only after a death and in a repair.
PLACES = (
    *(name for name in EFFECTS if name not in LOG_PLACES),
    *("lake.sweep", "state.raise_fence_again"),
)


def happens(place: str, capture: str) -> bool:
    """Whether a run of that capture has this side effect to make."""
    return place not in (REREADS_PLACES if capture == "log" else LOG_PLACES)


def survive(world: World, place: str, moment: str) -> None:
    """Let a run die there that has every side effect to make; raises WrongError if it is felt.

    An older run has left a file in landing, somebody has deleted a row of bronze by hand, and
    transactions are open that hold row versions back. Raises LookupError when the run does not
    come there.
    """
    stop = Stop(place, moment)
    world.insert("k01", "k02", "k03", "k04")
    if place == "source.create_slot":
        _die(world, stop)
    else:
        _leave_work(world)
        if place == "state.raise_fence_again":
            world.run(Stop("bronze.merge", "before", is_death=False), orders=DELETES)
            world.delete_from_bronze("k04")
            _require_death(world.resume(stop=stop), stop)
        else:
            _die(world, stop)
    world.write(world.table.update_sql("k04", "Niterói", touches=True))
    world.finish()


def _leave_work(world: World) -> None:
    """One run that ended well, one that died, and changes of every kind since."""
    if world.capture == "log":
        world.run()
    world.begin(1)
    world.insert("k05", writer=1)
    world.insert("k06")
    world.run()
    world.insert("k07")
    _die(world, Stop("lake.upload", "after"))
    world.delete_from_bronze("k01")
    world.begin(2)
    world.insert("k08", writer=2)
    world.end(1)
    world.write(world.table.update_sql("k02", "Campinas", touches=True))
    world.write("DELETE FROM {table} WHERE {key} = 'k03'")


def _die(world: World, stop: Stop) -> None:
    _require_death(world.run(stop, orders=DELETES), stop)


def _require_death(outcome: Outcome, stop: Stop) -> None:
    if outcome.status != "died":
        raise LookupError(f"The run did not come to {stop.place}: {outcome}")
