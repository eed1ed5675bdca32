"""Death at every side effect of a run, on both sides of it, and what the next runs make of it."""

from credix.orders import Orders
from tests.oracle.child import Outcome, Stop
from tests.oracle.world import World

DELETES = Orders(allow_deletes=True)
MOMENTS = ("before", "after")
# In the order in which a run reaches them.
PLACES = (
    *("state.raise_fence", "lake.sweep", "lake.upload", "warehouse.load_hashed"),
    *("warehouse.expire", "warehouse.load_stable", "lake.archive", "bronze.merge"),
    *("state.raise_fence_again", "lake.confirm_merge", "state.rereads", "state.commit"),
    *("state.forget_rereads", "warehouse.drop", "gold.raise_fence", "gold.commit"),
)
# What only capture by log has to do.
LOG_PLACES = ("source.create_slot", "source.advance_slot")
# What has no meaning there: the log names each change once.
REREADS_PLACES = ("state.rereads", "state.forget_rereads")


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
    _insert(world, "k01", "k02", "k03", "k04")
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
    _insert(world, "k05", writer=1)
    _insert(world, "k06")
    world.run()
    _insert(world, "k07")
    _die(world, Stop("lake.upload", "after"))
    world.delete_from_bronze("k01")
    world.begin(2)
    _insert(world, "k08", writer=2)
    world.end(1)
    world.write(world.table.update_sql("k02", "Campinas", touches=True))
    world.write("DELETE FROM {table} WHERE {key} = 'k03'")


def _insert(world: World, *keys: str, writer: int = 0) -> None:
    for key in keys:
        world.write(world.table.insert_sql(key, "Santos"), writer)


def _die(world: World, stop: Stop) -> None:
    _require_death(world.run(stop, orders=DELETES), stop)


def _require_death(outcome: Outcome, stop: Stop) -> None:
    if outcome.status != "died":
        raise LookupError(f"The run did not come to {stop.place}: {outcome}")
