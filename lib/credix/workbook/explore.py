"""Explore and Start here: questions to files, tables and runs, outside any run.

Everything here reads and nothing writes. Columns that a contract lists under `personal_data` are
masked unless the explorer is opened with `shows_personal_data=True`.
"""

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
from credix.report.portfolio import TIERS
from credix.report.profile import connect
from credix.state.run import sandbox_settings
from credix.workbook import show

MOST_ROWS = 1_000_000
MOST_KEYS = 10_000
FILES = "_files"


@dataclass(frozen=True)
class Explorer:
    """Answers questions about one environment; every answer is read again."""

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
        """Return the landed and archived Parquet files of a source, with run, rows and bytes."""
        return as_frame(list_files(self.lake, load_source(source)))

    def sql(self, sql: str, **tables: pa.Table | pd.DataFrame) -> pd.DataFrame:
        """Return DuckDB's answer over `<source>_files`, all rows in the files, and over tables.

        Only the columns and row groups that a statement needs are read.

        Args:
            sql: A statement in DuckDB's SQL.
            tables: Further tables, under the names that the statement uses.

        Raises:
            SettingsError: DuckDB refuses the statement.
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
        """Return a table of bronze, silver or gold as Arrow, through BigQuery's Storage API.

        Args:
            layer: `bronze`, `silver` or `gold`.
            table: The name, as `tables` lists it.
            columns: The columns to read; None: all.
            where: A condition in BigQuery's SQL.
            limit: Of more rows than this, some are returned.

        Raises:
            SettingsError: There is no such layer, table or column; the message lists those there
                are.
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
        """Return the layers and names of all tables, as `table` takes them."""
        lines = [
            {"layer": layer, "table": name}
            for layer in DATASETS
            if layer in ("bronze", "silver", "gold")
            for name in self.warehouse.tables(layer, "")
        ]
        return pd.DataFrame(lines, columns=["layer", "table"])

    def has(self, layer: str, table: str) -> bool:
        """Return whether a layer has a table of that name."""
        return self.warehouse.columns(layer, table) is not None

    def history(self, source: str, *key: Any) -> pd.DataFrame:
        """Return every version of one row, the oldest first, with run and file.

        Args:
            source: The source of the row.
            key: The values of its key; none: the row with the most versions.
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
        """Return what changed in bronze between two runs: a line per key and column that differs.

        Args:
            source: The source to compare.
            before: The older run's id; empty: the one before `after`.
            after: The newer run's id; empty: the last run that read rows.
            limit: Of more keys than this, the first are compared.

        Raises:
            SettingsError: There is no such run, or the newer one is named first.
        """
        found = load_source(source)
        known = [file for file in list_files(self.lake, found) if file.is_merged]
        attempts = versions.attempts_of(known, before, after)
        connection = self._connect(known, found)
        return versions.compare(connection, found, *attempts, self._hidden, limit)

    def runs(self, limit: int = 20) -> pd.DataFrame:
        """Return the last runs, newest first."""
        return pd.DataFrame([run.model_dump() for run in recent_runs(self.settings, limit)])

    def sources(self) -> pd.DataFrame:
        """Return each source: rows in bronze, up to when they are complete, its last run."""
        return overview.source_table(self.settings)

    def last_run(self) -> pd.DataFrame:
        """Return the notebooks of the newest run, with rows and seconds."""
        return overview.step_table(overview.find_last(self.lake))

    def describe_last_run(self) -> str:
        """Return job, status and duration of the newest run in a sentence."""
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
        """Return a DuckDB with `files`, unmasked: values are compared there."""
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
    """Return an explorer of the environment of this process, or of its sandbox.

    Args:
        sandbox: True: the sandbox. False: the real tables. None: whichever has rows, the real
            tables first.
        shows_personal_data: Show names, e-mails and phones as they are.
    """
    settings = Settings.load()
    real = Explorer(settings, shows_personal_data)
    own = Explorer(sandbox_settings(settings), shows_personal_data)
    if sandbox is None:
        return own if not has_rows(real) and has_rows(own) else real
    return own if sandbox else real


def has_rows(explorer: Explorer) -> bool:
    """Return whether bronze of this environment has a table."""
    return any(explorer.has("bronze", name) for name in source_names())


@show.optional("The companies by tier")
def show_tiers(explorer: Explorer) -> None:
    """Plot the companies by payment tier, from the newest gold; say so where there is none."""
    if not explorer.has("gold", "company_payment_summary"):
        print("Gold is not built yet.")
        return
    companies = explorer.table("gold", "company_payment_summary", ["payment_tier"]).to_pandas()
    tiers = companies["payment_tier"].value_counts().reindex(TIERS, fill_value=0)
    show.bars(tiers.rename_axis("payment tier"), "Companies by payment tier", "companies")
