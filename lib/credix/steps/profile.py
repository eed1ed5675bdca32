"""What is in the Parquet of a run: counts, nulls and ranges through DuckDB, people masked."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pandas as pd

from credix.settings import Settings
from credix.sources import Source

MASK = "•••"


def summarize(settings: Settings, source: Source, files: Sequence[Path]) -> pd.DataFrame:
    """One line per column: type, share of nulls, distinct values, smallest and greatest."""
    if not files:
        return pd.DataFrame(columns=["column", "type", "nulls %", "distinct", "min", "max"])
    with connect(settings) as connection:
        summary = connection.execute(
            "SELECT column_name AS column, column_type AS type, null_percentage AS nulls, "
            "approx_unique AS distinct_values, min, max "
            "FROM (SUMMARIZE SELECT * FROM read_parquet(?))",
            [[str(path) for path in files]],
        ).df()
    summary = summary.rename(columns={"nulls": "nulls %", "distinct_values": "distinct"})
    hidden = summary["column"].isin(source.personal_data | set(source.key))
    summary.loc[hidden, ["min", "max"]] = MASK
    return summary


def count_by_month(settings: Settings, source: Source, files: Sequence[Path]) -> pd.Series:
    """Rows of the delta by the month of their greatest cursor column."""
    if not files:
        return pd.Series(dtype="int64", name="rows")
    cursor = f"greatest({', '.join(source.cursor)})"
    with connect(settings) as connection:
        frame = connection.execute(
            f"SELECT coalesce(strftime({cursor}, '%Y-%m'), 'none') AS month, count(*) AS rows "
            "FROM read_parquet(?) GROUP BY ALL ORDER BY ALL",
            [[str(path) for path in files]],
        ).df()
    return frame.set_index("month")["rows"]


def connect(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A DuckDB of bounded memory that never reaches out for extensions."""
    return duckdb.connect(
        config={
            "memory_limit": settings.duckdb_memory,
            "threads": 2,
            "autoinstall_known_extensions": False,
        }
    )
