"""How Hypothesis draws a history: the kinds of steps with their weights and arguments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, assume, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from credix.core.run_options import RunOptions
from tests.oracle.child import IN_FLIGHT, Stop
from tests.oracle.source import KEYS
from tests.oracle.world import DELETES, FIRST_DAY, World

STEPS = 50
# The side effects of a run that has rows, in their order.
EFFECTS = (
    *("state.raise_fence", "lake.upload", "warehouse.load_hashed", "warehouse.expire"),
    *("warehouse.load_stable", "lake.archive", "bronze.merge", "lake.confirm_merge"),
    *("state.rereads", "state.commit", "state.forget_rereads", "source.advance_slot"),
    *("warehouse.drop", "gold.raise_fence", "gold.commit", "source.create_slot"),
)
KEY = st.sampled_from(KEYS)
TEXT = st.sampled_from(["Santos", "Campinas", "Niterói"])
WRITER = st.integers(0, 2)
STOP = (KEY, TEXT, st.sampled_from(EFFECTS), st.sampled_from(["before", "after"]))
NUMBER = st.integers(0, 1000)
EVERYTHING = RunOptions(allow_deletes=True, backfill=(FIRST_DAY.isoformat(), "2999-12-31"))


@dataclass(frozen=True)
class Kind:
    """A kind of step: how often it is drawn, with what, what it does, and in which worlds."""

    weight: int
    arguments: Sequence[st.SearchStrategy[Any]]
    act: Callable[..., object]
    fits: Callable[[World], bool] = lambda _: True


def sees_everything(world: World) -> bool:
    """A cursor sees only what touches a cursor column: other histories it may miss."""
    return world.capture != "cursor"


def goes_by_steps(world: World) -> bool:
    """Only runs without notebooks can be held, replayed and widened by a test."""
    return not world.runners.are_notebooks


def insert(world: World, keys: list[str], text: str, writer: int) -> None:
    world.insert(*keys, text=text, writer=writer)


def update(world: World, key: str, text: str, writer: int) -> None:
    world.write(world.table.update_sql(key, text, touches=True), writer)


def update_silently(world: World, key: str, text: str, writer: int) -> None:
    world.write(world.table.update_sql(key, text, touches=False), writer)


def clear_or_backdate(world: World, key: str, value: str, writer: int) -> None:
    column = world.table.source.cursor[-1]
    world.write(f"UPDATE {{table}} SET {column} = {value} WHERE {{key}} = '{key}'", writer)


def delete(world: World, key: str, writer: int) -> None:
    world.write(f"DELETE FROM {{table}} WHERE {{key}} = '{key}'", writer)


def change_key(world: World, old: str, new: str, writer: int) -> None:
    world.write(f"UPDATE {{table}} SET {{key}} = '{new}' WHERE {{key}} = '{old}'", writer)


def set_savepoint(world: World, writer: int, *, goes_back: bool) -> None:
    world.write(f"{'ROLLBACK TO ' if goes_back else ''}SAVEPOINT mark", writer)


def change_and_stop(
    world: World, key: str, text: str, place: str, moment: str, *, is_death: bool
) -> None:
    """A run that has something to carry, and does not get to its end."""
    world.write(world.table.upsert_sql(key, text))
    world.run(Stop(place, moment, is_death), orders=DELETES)


def change_and_lose_sight(
    world: World, key: str, text: str, moment: str, *, is_death: bool
) -> None:
    """A run whose merge goes on at BigQuery, while its process is killed or waits."""
    world.write(world.table.upsert_sql(key, text))
    world.run(Stop("bronze.merge", moment, is_death), orders=DELETES)


KINDS = {
    "insert": Kind(6, (st.lists(KEY, min_size=1, max_size=5), TEXT, WRITER), insert),
    "update": Kind(4, (KEY, TEXT, WRITER), update),
    "update silently": Kind(4, (KEY, TEXT, WRITER), update_silently, sees_everything),
    "clear or backdate": Kind(
        2,
        (KEY, st.sampled_from(["NULL", "'2020-01-01'"]), WRITER),
        clear_or_backdate,
        sees_everything,
    ),
    "delete": Kind(4, (KEY, WRITER), delete),
    "change key": Kind(2, (KEY, KEY, WRITER), change_key, sees_everything),
    "truncate": Kind(1, (WRITER,), lambda world, writer: world.write("TRUNCATE {table}", writer)),
    "begin": Kind(3, (WRITER,), World.begin),
    "savepoint": Kind(1, (WRITER,), lambda world, w: set_savepoint(world, w, goes_back=False)),
    "rollback to": Kind(1, (WRITER,), lambda world, w: set_savepoint(world, w, goes_back=True)),
    "commit": Kind(4, (WRITER,), World.end),
    "rollback": Kind(1, (WRITER,), lambda world, writer: world.end(writer, "ROLLBACK")),
    "swap": Kind(
        1, (TEXT,), lambda world, text: world.table.swap(world.write, text), sees_everything
    ),
    "prepare partition": Kind(
        1,
        (),
        lambda world: world.table.prepare_partition(world.write),
        lambda world: world.table.is_partitioned,
    ),
    "attach partition": Kind(
        1,
        (),
        lambda world: world.table.attach_waiting(world.write),
        lambda world: world.table.waiting is not None,
    ),
    "add column": Kind(1, (), lambda world: world.table.add_extra_column(world.write)),
    "drop column": Kind(
        6,
        (),
        lambda world: world.table.drop_extra_column(world.write),
        lambda world: world.table.has_extra_column,
    ),
    "advance day": Kind(1, (), World.advance_day),
    "run": Kind(5, (), lambda world: world.run(orders=DELETES)),
    "run with guards": Kind(1, (), lambda world: world.run()),
    "run and die": Kind(
        7, STOP, lambda world, *drawn: change_and_stop(world, *drawn, is_death=True)
    ),
    "run and be held": Kind(
        4,
        STOP,
        lambda world, *drawn: change_and_stop(world, *drawn, is_death=False),
        goes_by_steps,
    ),
    "run and die in the merge": Kind(
        4,
        (KEY, TEXT, st.sampled_from(IN_FLIGHT)),
        lambda world, *drawn: change_and_lose_sight(world, *drawn, is_death=True),
        goes_by_steps,
    ),
    "run and wait in the merge": Kind(
        2,
        (KEY, TEXT, st.sampled_from(IN_FLIGHT)),
        lambda world, *drawn: change_and_lose_sight(world, *drawn, is_death=False),
        goes_by_steps,
    ),
    "job ends": Kind(4, (NUMBER,), World.let_a_job_end, lambda world: bool(world.jobs)),
    "touch bronze": Kind(
        1, (), World.touch_bronze, lambda world: goes_by_steps(world) and not world.has_claims
    ),
    "resume": Kind(3, (NUMBER,), World.resume, lambda world: bool(world.zombies)),
    "replay": Kind(2, (NUMBER,), World.replay, goes_by_steps),
    "backfill": Kind(1, (), lambda world: world.run(orders=EVERYTHING), goes_by_steps),
}


class History(RuleBasedStateMachine):
    """Writers, runs that end well or die, zombies, replays: in any order.

    One rule draws every step from the weighted kinds: of many rules Hypothesis would switch most
    off in each history, which suits thousands of short histories and not some long ones.
    """

    def __init__(self, make_world: Callable[[], World]) -> None:
        super().__init__()
        self.make_world = make_world
        self.world: World | None = None
        self.steps = 0
        self.has_failed = False

    @initialize(number=st.integers(0, 2**32))
    def begin(self, number: int) -> None:
        # The first that Hypothesis tries is the simplest: nothing but inserts of one key.
        assume(number)
        self.world = self.make_world()

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        world = self.world
        assert world is not None
        fitting = [name for name, kind in KINDS.items() if kind.fits(world)]
        weighted = [name for name in fitting for _ in range(KINDS[name].weight)]
        name = data.draw(st.sampled_from(weighted))
        arguments = [data.draw(strategy) for strategy in KINDS[name].arguments]
        note(f"{name} {arguments}")
        self.steps += 1
        world.counts[name] += 1
        try:
            KINDS[name].act(world, *arguments)
        except BaseException:
            self.has_failed = True
            raise

    def teardown(self) -> None:
        if self.world is None:
            return
        try:
            if not self.has_failed:
                self.world.finish()
        finally:
            self.world.close(steps=self.steps)


def check_history(make_world: Callable[[], World], *, number: int, steps: int = STEPS) -> None:
    """Draw a history from the seed; raises WrongError when it ends wrong."""

    def make() -> History:
        return History(make_world)

    # A factory does as well as a class, which is what its type asks for.
    seeded: Any = seed(number)(make)
    run_state_machine_as_test(
        seeded,
        settings=settings(
            max_examples=1,
            stateful_step_count=steps + 1,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
        _min_steps=steps,
    )
