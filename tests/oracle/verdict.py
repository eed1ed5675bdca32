"""The verdict on bronze, its files and its states: what has to be true after every run."""

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.paths import paths_of
from credix.core.settings import Settings
from credix.state.store import StateStore
from tests.oracle.source import SourceTable


class WrongError(AssertionError):
    """Bronze, its files or its states are not what the source and the rules demand."""


class Verdict:
    """Judges one world; every `check_` raises WrongError.

    With `has_snapshots` the runs leave behind what their snapshots held, in `folder`.
    """

    def __init__(
        self,
        settings: Settings,
        table: SourceTable,
        folder: Path,
        *,
        captures_deletes: bool,
        has_snapshots: bool,
    ) -> None:
        self.settings, self.table, self.folder = settings, table, folder
        self.captures_deletes, self.has_snapshots = captures_deletes, has_snapshots
        self.lake = Lake(settings, Effects(settings.retry_seconds))
        self.warehouse = Warehouse(settings, self.lake.effects)
        self.states = StateStore(settings, self.lake)
        self.proven_attempt = 0
        self.seen_seqs: dict[str, int] = {}
        self.snapshots: dict[int, dict[str, dict[str, Any]]] = {}

    def check_bronze(self) -> None:
        """One row per key, and no key goes back.

        Where there are snapshots: every row is what its attempt saw, and the watermark is not
        ahead of bronze.
        """
        rows = self.bronze()
        keys = [row[self.table.key] for row in rows]
        if len(keys) != len(set(keys)):
            raise WrongError("bronze holds a key more than once")
        seqs = {row[self.table.key]: row["_seq"] for row in rows}
        back = [key for key, seq in self.seen_seqs.items() if seqs.get(key, -1) < seq]
        if back:
            raise WrongError(f"keys went back in bronze: {back}")
        self.seen_seqs = seqs
        if not self.has_snapshots:
            return
        for row in rows:
            self.check_row(row)
        state = self.states.read_source(self.table.source.name)
        if state.watermark_attempt > self.proven_attempt:
            self.proven_attempt = state.watermark_attempt
            first = self.first_slice(state.watermark_attempt)
            if first is None:
                snapshot = self.snapshot(state.watermark_attempt)
                what = f"the snapshot of attempt {state.watermark_attempt}"
                self.compare(self.by_key(rows), what, snapshot)
            else:
                self.check_slices(rows, first)

    def first_slice(self, attempt: int) -> int | None:
        """The attempt of the first slice of the read whose last slice this attempt merged."""
        notes = {number: self.folder / f"slice-{number}.txt" for number in range(attempt + 1)}
        if not notes[attempt].exists():
            return None
        return max(n for n, path in notes.items() if path.exists() and path.read_text() == "1")

    def check_slices(self, rows: list[dict[str, Any]], first: int) -> None:
        """Behind all slices bronze misses nothing of the first snapshot but what changed since.

        What was deleted meanwhile is still there: it is the next delta's. A row that was not merged
        by one of the slices must be as the first snapshot had it.
        """
        held = {row[self.table.key]: row for row in rows if not row["_is_deleted"]}
        now = self.snapshot(self.proven_attempt)
        for key, expected in self.snapshot(first).items():
            row = held.get(key)
            is_right = row is not None and (row["_seq"] >= first or self.values(row) == expected)
            if not is_right and now.get(key) == expected:
                raise WrongError(f"{key} in bronze is not what the slices since {first} saw")

    def check_row(self, row: dict[str, Any]) -> None:
        """A row of bronze is what the snapshot of its own attempt says, or was deleted by then."""
        expected = self.snapshot(row["_seq"]).get(row[self.table.key])
        if expected != (None if row["_is_deleted"] else self.values(row)):
            raise WrongError(
                f"{row[self.table.key]} in bronze is not what attempt {row['_seq']} saw: "
                "they differ"
            )

    def snapshot(self, attempt: int) -> dict[str, dict[str, Any]]:
        """What the source held when that attempt took its snapshot, by key."""
        if attempt not in self.snapshots:
            kept = self.folder / f"snapshot-{attempt}.pickle"
            self.snapshots[attempt] = self.table.by_key(pickle.loads(kept.read_bytes()))
        return self.snapshots[attempt]

    def check_files(self) -> None:
        """Each file lies in one place, and the archived ones were loaded."""
        folders = [
            (self.settings.lake_bucket, paths_of(self.settings).landing),
            (self.settings.lake_bucket, f"{self.settings.prefix}/failed/"),
            (self.settings.archive_bucket, f"{self.settings.prefix}/archive/"),
        ]
        blobs = [blob for bucket, folder in folders for blob in self.lake.objects(bucket, folder)]
        places = Counter(blob.name.rpartition("/")[2] for blob in blobs)
        doubled = [name for name, count in places.items() if count > 1]
        if doubled:
            raise WrongError(f"files lie in more than one place: {doubled}")
        if self.has_snapshots:
            self.check_archive()

    def check_gold(self, day: str) -> None:
        """Gold is of this day and of the committed bronze."""
        name = self.table.source.name
        committed = {name: self.states.read_source(name).committed_seq}
        gold = self.states.read_gold()
        if not (gold.business_date == day and gold.seen == committed):
            raise WrongError(f"gold has seen {gold.seen} of {gold.business_date}, not {committed}")

    def check_archive(self) -> None:
        """A file is archived only after BigQuery has it."""
        folder = f"{self.settings.prefix}/archive/"
        for blob in self.lake.objects(self.settings.archive_bucket, folder):
            log = self.folder / f"effects-{blob.metadata['seq']}.txt"
            # The one more attempt of a repair writes into the log of its run.
            if log.exists() and "warehouse.load_hashed" not in log.read_text("utf-8").split():
                raise WrongError(f"{blob.name} was archived before it was loaded")

    def compare(
        self, live: dict[str, dict[str, Any]], what: str, expected: dict[str, dict[str, Any]]
    ) -> None:
        """Raises WrongError unless the live rows of bronze are exactly these."""
        if not self.captures_deletes:
            live = {key: row for key, row in live.items() if key in expected}
        if live != expected:
            wrong = sorted(
                key for key in live.keys() | expected.keys() if live.get(key) != expected.get(key)
            )
            raise WrongError(f"bronze is not {what}: {wrong[:10]} differ")

    def check_end(self) -> None:
        """Bronze is what the source says."""
        self.compare(self.live_rows(), "the source at the end", self.table.rows())

    def live_rows(self) -> dict[str, dict[str, Any]]:
        """The rows of bronze that are not deleted, by key."""
        return self.by_key(self.bronze())

    def by_key(self, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {row[self.table.key]: self.values(row) for row in rows if not row["_is_deleted"]}

    def values(self, row: dict[str, Any]) -> dict[str, Any]:
        """The columns of the contract of a row of bronze."""
        return {name: row[name] for name in self.table.source.column_names}

    def bronze(self) -> list[dict[str, Any]]:
        name = self.table.source.name
        if self.warehouse.columns("bronze", name) is None:
            return []
        columns = ", ".join(self.table.source.column_names)
        table = self.warehouse.table_id("bronze", name)
        return self.warehouse.query(f"SELECT {columns}, _is_deleted, _seq FROM `{table}`")
