"""The explorer: one object that knows the settings and answers a person's questions."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from credix.clients.bigquery.table_reader import TableReader
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.contracts import Source, load_source, source_names
from credix.core.errors import SettingsError
from credix.core.masking import (
    mask_frame,
    mask_table,
    masked_select,
    personal_columns,
)
from credix.core.paths import DATASETS
from credix.core.settings import Settings
from credix.operations.explore import overview, versions
from credix.operations.explore.listing import SourceFile, as_dataset, as_frame, list_files
from credix.pipeline.history.status import recent_runs
from credix.report.profile import connect
from credix.state.run import sandbox_settings

MOST_ROWS = 1_000_000
MOST_KEYS = 10_000
FILES = "_files"


@dataclass(frozen=True)
class Explorer:
    """Questions about one environment; every answer is read anew."""

    settings: Settings
    shows_personal_data: bool

    @cached_property
    def effects(self) -> Effects:
        return Effects(self.settings.retry_seconds)

    @cached_property
    def lake(self) -> Lake:
        return Lake(self.settings, self.effects)

    @cached_property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.settings, self.effects)

    @cached_property
    def reader(self) -> TableReader:
        return TableReader(self.settings, self.effects)

    def files(self, source: str) -> pd.DataFrame:
        """The landed and archived Parquet files of a source, with run, rows and bytes of each."""
        return as_frame(list_files(self.lake, load_source(source)))

    def sql(self, sql: str, **tables: pa.Table | pd.DataFrame) -> pd.DataFrame:
        """DuckDB's answer over `<source>_files`, all rows in the files, and over tables by name.

        Only the columns and row groups that a statement needs are read.
        """
        with connect(self.settings) as connection:
            for name in source_names():
                if name + FILES in sql:
                    self._add_files(connection, load_source(name))
            for name, table in tables.items():
                connection.register(name, table)
            try:
                return connection.sql(sql).df()
            except duckdb.Error as error:
                raise SettingsError(f"DuckDB does not take this: {error}") from None

    def table(
        self,
        layer: str,
        table: str,
        columns: list[str] | None = None,
        where: str = "",
        limit: int = MOST_ROWS,
    ) -> pa.Table:
        """A table of bronze, silver or gold as Arrow, through BigQuery's Storage API.

        `where` is a condition in BigQuery's SQL; of more than `limit` rows some are returned.
        """
        known = self._columns(layer, table)
        unknown = [name for name in columns or [] if name not in known]
        if unknown:
            raise SettingsError(
                f"{layer}.{table} has no column {', '.join(unknown)}. It has: {', '.join(known)}."
            )
        found = self.reader.read(layer, table, columns or known, where, limit)
        return mask_table(found.select(columns or known), self._hidden)

    def tables(self) -> pd.DataFrame:
        """What bronze, silver and gold hold: the names to ask `table` for."""
        lines = [
            {"layer": layer, "table": name}
            for layer in DATASETS
            if layer in ("bronze", "silver", "gold")
            for name in self.warehouse.tables(layer, "")
        ]
        return pd.DataFrame(lines, columns=["layer", "table"])

    def has(self, layer: str, table: str) -> bool:
        return self.warehouse.columns(layer, table) is not None

    def history(self, source: str, *key: Any) -> pd.DataFrame:
        """Every version of one row that a run has carried, the oldest first, with run and file.

        Without a key: of the row that most runs have carried.
        """
        found = load_source(source)
        known = list_files(self.lake, found)
        connection = self._connect(known, found)
        chosen = key or versions.busiest_key(connection, found)
        frame = versions.history(connection, found, known, chosen)
        return mask_frame(frame, self._hidden)

    def compare_runs(
        self, source: str, before: str = "", after: str = "", limit: int = MOST_KEYS
    ) -> pd.DataFrame:
        """What changed in bronze between two runs: one line per key and column that differs.

        Without names: the last run that carried rows, and the one before it. Of more than `limit`
        keys the first are compared.
        """
        found = load_source(source)
        known = [file for file in list_files(self.lake, found) if file.is_merged]
        attempts = versions.attempts_of(known, before, after)
        connection = self._connect(known, found)
        return versions.compare(connection, found, *attempts, self._hidden, limit)

    def runs(self, limit: int = 20) -> pd.DataFrame:
        """The last runs, newest first."""
        return pd.DataFrame(recent_runs(self.settings, limit))

    def sources(self) -> pd.DataFrame:
        """Each source: rows in bronze, up to when they are complete, its last run."""
        return overview.source_table(self.settings)

    def last_run(self) -> pd.DataFrame:
        """The notebooks of the newest run, with rows and seconds."""
        return overview.step_table(overview.find_last(self.lake))

    def describe_last_run(self) -> str:
        return overview.describe_run(overview.find_last(self.lake))

    @property
    def _hidden(self) -> frozenset[str]:
        return frozenset() if self.shows_personal_data else personal_columns()

    def _columns(self, layer: str, table: str) -> list[str]:
        if layer not in DATASETS:
            known = ", ".join(DATASETS)
            raise SettingsError(f"There is no layer '{layer}': choose one of {known}.")
        columns = self.warehouse.columns(layer, table)
        if columns is None:
            there = ", ".join(self.warehouse.tables(layer, "")) or "nothing yet"
            raise SettingsError(f"There is no table {layer}.{table}. There is: {there}.")
        return [column.name for column in columns]

    def _connect(self, known: list[SourceFile], source: Source) -> duckdb.DuckDBPyConnection:
        """A DuckDB in which `files` is what these hold, unmasked: values are compared there."""
        connection = connect(self.settings)
        connection.register("files", as_dataset(self.lake, known, source))
        return connection

    def _add_files(self, connection: duckdb.DuckDBPyConnection, source: Source) -> None:
        raw = f"unmasked_{source.name}"
        dataset = as_dataset(self.lake, list_files(self.lake, source), source)
        connection.register(raw, dataset)
        select = masked_select(dataset.schema.names, self._hidden, raw)
        connection.execute(f"CREATE TEMP VIEW {source.name}{FILES} AS {select}")


def open_explorer(*, sandbox: bool | None = False, shows_personal_data: bool = False) -> Explorer:
    """An explorer of the environment of this process, or of its sandbox.

    With `sandbox=None` of whichever has rows, the real tables before those of the sandbox.
    """
    settings = Settings.load()
    real = Explorer(settings, shows_personal_data)
    own = Explorer(sandbox_settings(settings), shows_personal_data)
    if sandbox is None:
        return own if not has_rows(real) and has_rows(own) else real
    return own if sandbox else real


def has_rows(explorer: Explorer) -> bool:
    return any(explorer.has("bronze", name) for name in source_names())
