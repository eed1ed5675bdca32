"""BigQuery's rules for statements at the same time, as values: who waits, who is cancelled.

From *Transform data with DML* and *Multi-statement transactions*: every statement works on the
snapshot taken at its start. Inserting conflicts with nothing, a MERGE that inserts only neither. Of
two that change rows of one table, the one that commits second is run again, three times at most; a
transaction is cancelled at once. A table takes two such statements at a time, twenty more wait.

A table counts as one partition here.
"""

from collections import Counter
from dataclasses import dataclass, field

RUNNING_AT_MOST, QUEUED_AT_MOST = 2, 20
RERUNS = 3


class ConcurrencyError(Exception):
    """A statement that BigQuery cancels or refuses because of others."""


@dataclass(eq=False)
class Work:
    """A statement or transaction under way.

    `target` is the table that a statement outside a transaction may change, `changes` has the
    tables whose rows were changed, `snapshot` the number of commits that it sees.
    """

    is_transaction: bool
    target: str = ""
    snapshot: int = 0
    changes: set[str] = field(default_factory=set)


@dataclass
class Ledger:
    """What is under way, and when rows of each table were last changed, in commits."""

    commits: int = 0
    last_change: dict[str, int] = field(default_factory=dict)
    under_way: list[Work] = field(default_factory=list)
    queued: Counter[str] = field(default_factory=Counter)

    def begin(self, work: Work) -> None:
        """Take the snapshot of a work, again when it is run again."""
        work.snapshot = self.commits
        work.changes.clear()
        if work not in self.under_way:
            self.under_way.append(work)

    def must_wait(self, table: str) -> bool:
        """Return whether a statement outside a transaction has to wait for others."""
        running = sum(work.target == table for work in self.under_way)
        return self._is_taken(None, table) or running >= RUNNING_AT_MOST

    def queue(self, table: str) -> None:
        """Let one more statement wait for a table; raises ConcurrencyError when too many do."""
        if self.queued[table] >= QUEUED_AT_MOST:
            raise ConcurrencyError(
                "Resources exceeded during query execution: Too many DML statements outstanding "
                f"against table {table}, limit is {QUEUED_AT_MOST}."
            )
        self.queued[table] += 1

    def change(self, work: Work, table: str) -> None:
        """Note that a work changes rows of a table.

        Raises ConcurrencyError for a transaction when another work has the table, or has changed it
        since this one's snapshot.
        """
        if work.is_transaction and (self.is_changed(work, table) or self._is_taken(work, table)):
            raise ConcurrencyError(
                f"Transaction is aborted due to concurrent update against table {table}."
            )
        work.changes.add(table)

    def is_changed(self, work: Work, table: str) -> bool:
        """Return whether rows of the table were changed since the work's snapshot."""
        return self.last_change.get(table, 0) > work.snapshot

    def end(self, work: Work, *, is_committed: bool) -> None:
        if work in self.under_way:
            self.under_way.remove(work)
        if is_committed and work.changes:
            self.commits += 1
            self.last_change.update(dict.fromkeys(work.changes, self.commits))

    def _is_taken(self, work: Work | None, table: str) -> bool:
        return any(
            table in other.changes and other.is_transaction
            for other in self.under_way
            if other is not work
        )


def serialization_error(table: str) -> ConcurrencyError:
    """Return what a statement ends with that met others in every run."""
    return ConcurrencyError(f"Could not serialize access to table {table} due to concurrent update")
