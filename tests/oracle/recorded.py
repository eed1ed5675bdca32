"""Histories that were worth writing down: in each a fault that is planted comes to light."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.child import SNAPSHOT, Outcome, Stop
from tests.oracle.source import TODAY
from tests.oracle.verdict import WrongError
from tests.oracle.world import DELETES, World


@dataclass(frozen=True)
class Recorded:
    """A history in a world, and what the oracle says when the fault is planted."""

    history: Callable[[World], object]
    verdict: str
    world: dict[str, Any] = field(default_factory=dict)


def later_update_of_the_same_day(world: World) -> None:
    world.insert("k01", "k02")
    world.run()
    world.write(world.table.update_sql("k01", "Campinas", touches=True))
    world.run()


def older_file_replayed(world: World) -> None:
    world.insert("k01")
    world.run()
    world.write(world.table.update_sql("k01", "Campinas", touches=True))
    world.run()
    world.replay(0)


def dead_attempt_with_the_same_number(world: World) -> None:
    world.insert("k01")
    world.run()
    world.write(world.table.update_sql("k01", "Campinas", touches=True))
    world.run(Stop("bronze.merge", "after"))
    world.write(world.table.update_sql("k01", "Niterói", touches=True))


def overlapping_loads(world: World) -> None:
    world.insert("k01")
    world.run()
    world.insert("k02")
    world.run(Stop("lake.upload", "before", is_death=False))
    world.insert("k03")
    world.run(Stop("bronze.merge", "before", is_death=False))
    world.resume(0)
    world.resume(0)


def death_after_the_commit(world: World) -> None:
    world.insert("k01")
    world.run(Stop("state.commit", "after"))


def paid_before_it_is_due(world: World) -> None:
    world.insert("k01", "k02")
    world.run()
    world.write(
        f"UPDATE {{table}} SET paid_date = {TODAY}, due_date = {TODAY} - 40 WHERE {{key}} = 'k01'"
    )


def zombie_behind_a_run_that_died_late(world: World) -> None:
    world.insert("k01")
    world.run()
    world.insert("k02")
    world.run(Stop("bronze.merge", "before", is_death=False))
    world.write("DELETE FROM {table} WHERE {key} = 'k02'")
    world.insert("k03")
    world.run(Stop("state.commit", "after"), orders=DELETES)
    world.resume(0)


def unmerged_file_replayed(world: World) -> None:
    world.insert("k01")
    world.run()
    world.insert("k02")
    world.run(Stop("lake.archive", "after"))
    world.write("DELETE FROM {table} WHERE {key} = 'k02'")
    world.run(orders=DELETES)
    world.replay(1)


def archived_and_dead(world: World) -> None:
    world.insert("k01")
    world.run(Stop("warehouse.load_hashed", "before"))
    world.run()


def truncate_under_the_snapshot(world: World) -> None:
    world.insert("k01", "k02")
    world.run()
    world.insert("k03")
    world.run(Stop(SNAPSHOT, "after", is_death=False), orders=DELETES)
    world.write("TRUNCATE {table}")
    world.resume(0)


def partition_of_old_rows(world: World) -> None:
    world.insert("k01")
    world.table.prepare_partition(world.write)
    world.run()
    world.table.attach_waiting(world.write)
    world.run()


def death_before_gold(world: World) -> None:
    world.insert("k01")
    world.run(Stop("gold.raise_fence", "before"))
    world.run()


def two_merges_at_once(world: World) -> None:
    world.insert("k01")
    world.run()
    world.insert("k02")
    world.run(Stop("bronze.merge", "before", is_death=False))
    world.run(Stop("bronze.merge", "snapshot"))
    world.resume(0)
    world.let_a_job_end()


def merge_that_outlives_its_process(world: World) -> None:
    world.insert("k01")
    world.run()
    world.insert("k02")
    world.run(Stop("bronze.merge", "commit"))
    require(world.run(), "done", "a job of a dead process keeps the next run from its end")


def merge_of_another_source(world: World) -> None:
    world.insert("k01")
    world.run()
    world.lose_a_merge_of_another_source("installments")
    world.insert("k02")
    require(world.run(), "done", "a job of another source keeps a run from its end")


def living_run_on_another_machine(world: World) -> None:
    world.insert("k01")
    world.run_on_another_machine(Stop("bronze.merge", "before", is_death=False))
    require(world.run_beside(), "refused", "a run took the lease of one that lives")
    require(world.resume(0), "done", "a run that lives was superseded")


def require(outcome: Outcome, status: str, otherwise: str) -> None:
    if outcome.status != status:
        raise WrongError(f"{otherwise}: {outcome}")


RECORDED = {
    "strict cursor": Recorded(
        later_update_of_the_same_day,
        "differ",
        {"source": "installments", "capture": "cursor"},
    ),
    "blind merge": Recorded(older_file_replayed, "went back"),
    "seq from committed state": Recorded(dead_attempt_with_the_same_number, "differ|end well"),
    "merge from the stable table": Recorded(overlapping_loads, "differ|went back"),
    "watermark before bronze": Recorded(death_after_the_commit, "differ"),
    "due_date in the cursor": Recorded(
        paid_before_it_is_due, "differ", {"source": "installments", "capture": "cursor"}
    ),
    "no insert guard": Recorded(unmerged_file_replayed, "differ"),
    "guard rendered before the statement": Recorded(zombie_behind_a_run_that_died_late, "differ"),
    "archive before load": Recorded(archived_and_dead, "archived before"),
    "no lock before the snapshot": Recorded(truncate_under_the_snapshot, "differ"),
    "new partition not read in full": Recorded(
        partition_of_old_rows, "differ", {"is_partitioned": True, "captures_deletes": False}
    ),
    "quiet without looking at gold": Recorded(death_before_gold, "gold has seen"),
    "no claim in the merge": Recorded(two_merges_at_once, "more than once"),
    "jobs of earlier attempts left alone": Recorded(
        merge_that_outlives_its_process, "dead process"
    ),
    "one control table for all sources": Recorded(merge_of_another_source, "another source"),
    "leases judged by the host's name": Recorded(living_run_on_another_machine, "that lives"),
}


def live(world: World, recorded: Recorded) -> None:
    """Let the history happen and end; raises WrongError where bronze does not bear it."""
    try:
        recorded.history(world)
        world.finish()
    finally:
        world.close()
