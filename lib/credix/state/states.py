"""The state files as values: what is committed, which run works on it, and the moves between."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, Self

from pydantic import Field, ValidationError

from credix.core.errors import BusyError, FenceError, StateError, first_fault
from credix.core.freshness import CompleteThrough
from credix.core.results import RunStatus
from credix.core.watermarks import Digest, Progress, Server, Slices, Value, Watermark

# What has a state of its own beside the sources.
GOLD = "gold"


class Lease(Value):
    """Who works on a state right now; `state.leases` judges whether that process may be gone.

    `execution` is the scheduler's name of the run, `instance` a random id of the process. Leases
    that were written before these fields existed have none of them.
    """

    run_id: str
    execution: str = ""
    instance: str = ""
    host: str
    machine_id: str = ""
    boot_id: str
    pid_namespace: str = ""
    pid: int
    process_started_at: float
    expires_at: datetime

    @property
    def holder(self) -> str:
        """Where the holder can be found, for people."""
        where = f"process {self.pid} on {self.host}"
        return f"{self.execution}, {where}" if self.execution else where


class LastRun(Value):
    """How the last run ended.

    `differences` says where its steps counted different rows, `missed` which histories it may have
    missed: a later report judges by them as the run's own does.
    """

    run_id: str
    job: str
    status: RunStatus
    finished_at: datetime
    rows: int
    error: str | None = None
    differences: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()


class FencedState(Value):
    """What the state of a source and the state of gold have in common."""

    format: Literal[1] = 1
    attempt: int = 0
    lease: Lease | None = None
    last_run: LastRun | None = None

    @property
    def subject(self) -> str:
        """What the state is of, for people."""
        return "gold"

    @classmethod
    def from_json(cls, text: str, location: str) -> Self:
        """Raise StateError naming the file and the way out when the JSON is not a state."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise StateError(
                f"The state file {location} cannot be read: {first_fault(error)}. "
                "Restore an earlier version of the object, or delete it to read the source in full."
            ) from None

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"

    def raise_fence(self, lease: Lease, now: datetime, is_dead: Callable[[Lease], bool]) -> Self:
        """The state with the next attempt and this lease; raises BusyError while another holds it.

        A lease gives way when its term is over, when its holder is known to be dead, or when it is
        the same run's own.
        """
        held = self.lease
        if held and held.run_id != lease.run_id and held.expires_at > now and not is_dead(held):
            raise BusyError(
                f"The run {held.run_id} ({held.holder}) works on {self.subject}; its lease ends at "
                f"{held.expires_at:%Y-%m-%d %H:%M:%S} UTC unless it is renewed. Run again when it "
                "is over; if it was killed or its machine has restarted, after that time."
            )
        return self.model_copy(update={"attempt": self.attempt + 1, "lease": lease})

    def renew(self, run_id: str, now: datetime, term: timedelta) -> Self:
        """Return the state with a lease that ends later.

        Raises FenceError when it is another run's.
        """
        if self.lease is None or self.lease.run_id != run_id:
            raise FenceError(f"The run {run_id} has lost its lease: a newer one has begun since.")
        lease = self.lease.model_copy(update={"expires_at": now + term})
        return self.model_copy(update={"lease": lease})

    def release(self, last_run: LastRun) -> Self:
        """Return the state without this run's lease.

        Unchanged when another run holds it already.
        """
        if self.lease is None or self.lease.run_id != last_run.run_id:
            return self
        return self.model_copy(update={"lease": None, "last_run": last_run})

    def hold(self, attempt: int, lease: Lease) -> Self:
        """Return the state held by one more process of the same run.

        Raises FenceError when superseded.
        """
        if self.is_superseded(lease.run_id, attempt):
            self.require(attempt)
        return self.model_copy(update={"lease": lease})

    def keep(self, lease: Lease) -> Self:
        """The state with this process's lease renewed; raises FenceError when it is no longer its.

        Another kernel of the run may have it, or another run.
        """
        if not self._is_held_by(lease):
            raise FenceError(f"The run {lease.run_id} holds {self.subject} from another process.")
        return self.model_copy(update={"lease": lease})

    def give_back(self, lease: Lease) -> Self:
        """Return the state without this process's lease, and nothing recorded of the run."""
        return self.model_copy(update={"lease": None}) if self._is_held_by(lease) else self

    def _is_held_by(self, lease: Lease) -> bool:
        held = self.lease
        return held is not None and (held.run_id, held.instance) == (lease.run_id, lease.instance)

    def note_end(self, last_run: LastRun) -> Self:
        """Return the state with how its last run ended; unchanged when another run was the last."""
        known = self.last_run
        if known is None or known.run_id != last_run.run_id:
            return self
        if (known.status, known.error) == (last_run.status, last_run.error):
            return self
        return self.model_copy(update={"last_run": last_run})

    def is_superseded(self, run_id: str, attempt: int) -> bool:
        """Return True when another run has begun since this attempt.

        A run may begin more of its own.
        """
        is_own = self.lease is not None and self.lease.run_id == run_id
        return self.attempt > attempt and not is_own

    def raise_fence_again(self, attempt: int, newest: int) -> Self:
        """The state with one more attempt of the same run, above `newest`, the newest known one.

        Raises FenceError when late.
        """
        self.require(attempt)
        return self.model_copy(update={"attempt": max(attempt, newest) + 1})

    def require(self, attempt: int) -> None:
        if self.attempt != attempt:
            raise FenceError(
                f"Attempt {self.attempt} has begun since: this run, attempt {attempt} of "
                f"{self.subject}, is superseded. Nothing is lost: the newer one loads the same "
                "rows."
            )


class SourceState(FencedState):
    """`state/<source>.json`.

    `watermark_attempt` wrote the watermark and the re-reads, also when it found no rows;
    `committed_seq` is the newest attempt whose rows bronze is known to hold; `digest` is that of
    the keys that bronze was proven to hold then, None when deletes are not captured. `slices` is a
    large read that has begun; the watermark stays until all of it is merged. `external` and
    `received` are what files from outside have left (credix.state.states).
    """

    source: str
    watermark: Watermark | None = None
    watermark_attempt: int = 0
    committed_seq: int = 0
    capture: str | None = None
    server: Server | None = None
    log_position: str | None = None
    relation_oids: tuple[int, ...] = ()
    relation_marks: tuple[str, ...] = ()
    column_numbers: tuple[int, ...] = ()
    fingerprint: str | None = None
    rereads: str | None = None
    digest: Digest | None = None
    slices: Slices | None = None
    external: tuple[int, int] | None = None
    received: dict[str, str] = Field(default_factory=dict)

    @property
    def subject(self) -> str:
        return f"the source {self.source}"

    def commit_slice(self, slices: Slices) -> Self:
        """Return the state after bronze holds one slice more; raises FenceError when late."""
        self.require(slices.attempt)
        return self.model_copy(update={"slices": slices, "committed_seq": slices.attempt})

    @property
    def reach(self) -> CompleteThrough:
        """How far bronze holds this source."""
        return CompleteThrough(
            self.committed_seq, self.watermark.snapshot_at if self.watermark else None
        )

    @property
    def reread_files(self) -> set[str]:
        """The files of row versions that this state names."""
        return {path for path in (self.rereads, self.slices and self.slices.rereads) if path}

    def commit(self, progress: "Progress", *, is_merged: bool) -> Self:
        """Return the state after bronze holds this attempt's rows; raises FenceError when late."""
        self.require(progress.attempt)
        read = {name: getattr(progress, name) for name in Progress.model_fields}
        read.pop("attempt")
        done = {"watermark_attempt": progress.attempt, "slices": None, "external": None}
        if is_merged:
            done["committed_seq"] = progress.attempt
        return self.model_copy(update={**read, **done})

    @property
    def knows_bronze(self) -> bool:
        """True when no attempt is between the committed one and the one that has just begun.

        One in between may have merged and died: bronze can then hold newer versions of the rows
        that `rereads` names, and other keys than `digest` says.
        """
        return self.attempt == self.watermark_attempt + 1


class GoldState(FencedState):
    """`state/gold.json`: the business day gold was built for and the bronze it has seen.

    `fingerprint` is the dbt project's. A rebuild of gold in full clears all three first: they are
    true of the tables at any moment. `reached` stays: how far tested gold held each source. So does
    `views`, the fingerprint of the project that created gold's views.
    """

    business_date: str | None = None
    seen: dict[str, int] = Field(default_factory=dict)
    fingerprint: str | None = None
    views: str | None = None
    reached: dict[str, CompleteThrough] = Field(default_factory=dict)

    def is_current(self, business_date: str, committed: dict[str, int], fingerprint: str) -> bool:
        """Return True when gold was built for this day, by these rules, from committed bronze."""
        return (
            self.business_date == business_date
            and self.seen == committed
            and self.fingerprint == fingerprint
        )

    def can_follow(self, business_date: str, committed: dict[str, int], fingerprint: str) -> bool:
        """Return True when what bronze has gained since makes this gold that of `committed`.

        Else it has to be rebuilt in full: each day moves the unpaid rows, each change of the dbt
        project may move any, and what a new source or a state that was set back moves is not known.
        """
        return (
            self.business_date == business_date
            and self.fingerprint == fingerprint
            and self.seen.keys() == committed.keys()
            and all(seen <= committed[source] for source, seen in self.seen.items())
        )

    def commit(
        self,
        attempt: int,
        business_date: str,
        seen: dict[str, int],
        fingerprint: str | None = None,
        reached: dict[str, CompleteThrough] | None = None,
    ) -> Self:
        self.require(attempt)
        built = {
            "business_date": business_date,
            "seen": seen,
            "fingerprint": fingerprint,
            "views": fingerprint,
        }
        return self.model_copy(update={**built, "reached": {**self.reached, **(reached or {})}})

    def require_full_rebuild(self) -> Self:
        """Return the state of a gold that has to be rebuilt in full."""
        return self.model_copy(update={"business_date": None, "seen": {}, "fingerprint": None})

    def invalidate(self) -> Self:
        """Return the state of an invalid gold; a run that builds it now is superseded, too."""
        return self.require_full_rebuild().model_copy(update={"attempt": self.attempt + 1})


def note_external(state: SourceState, attempt: int) -> SourceState:
    """Return the state before such rows can reach bronze.

    A read in slices that has begun is given up.
    """
    state.require(attempt)
    first = state.external[0] if state.external else attempt
    return state.model_copy(update={"external": (first, attempt), "slices": None})


def commit_external(state: SourceState, attempt: int, files: dict[str, str]) -> SourceState:
    """Return the state after bronze holds the rows of these files; raises FenceError when late."""
    state.require(attempt)
    return state.model_copy(update={"committed_seq": attempt, "received": files})
