"""What is in the Parquet of a run: counts, nulls and ranges through DuckDB, people masked."""

import duckdb
import pandas as pd

from credix.settings import Settings
from credix.steps.context import Run
from credix.steps.extract import Delta

MASK = "masked"


def summarize(run: Run, delta: Delta) -> pd.DataFrame:
    """One line per column: type, share of nulls, distinct values, smallest and greatest."""
    if not delta.parts:
        return pd.DataFrame(columns=["column", "type", "nulls %", "distinct", "min", "max"])
    with connect(run.settings) as connection:
        summary = connection.execute(
            "SELECT column_name, column_type, null_percentage, approx_unique, min, max "
            "FROM (SUMMARIZE SELECT * FROM read_parquet(?))",
            [paths(delta)],
        ).df()
    summary.columns = ["column", "type", "nulls %", "distinct", "min", "max"]
    # A text's extremes say little and may be a name: ranges are for numbers, dates and instants.
    is_masked = (summary["type"] == "VARCHAR") | summary["column"].isin(run.source.personal_data)
    summary.loc[is_masked, ["min", "max"]] = MASK
    return summary


def plot_months(run: Run, delta: Delta) -> None:
    """Rows of the delta by the month of their greatest cursor column; nothing without either."""
    if delta.parts and run.source.cursor:
        from credix.steps.plots import bars

        bars(count_by_month(run, delta), f"Delta of {run.source.name} by month", "rows")


def count_by_month(run: Run, delta: Delta) -> pd.Series:
    cursor = f"greatest({', '.join(run.source.cursor)})"
    with connect(run.settings) as connection:
        frame = connection.execute(
            f"SELECT coalesce(strftime({cursor}, '%Y-%m'), 'none') AS month, count(*) AS n "
            "FROM read_parquet(?) GROUP BY ALL ORDER BY ALL",
            [paths(delta)],
        ).df()
    return frame.set_index("month")["n"]


def paths(delta: Delta) -> list[str]:
    return [str(part.path) for part in delta.parts]


def connect(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A DuckDB of bounded memory that never reaches out for extensions."""
    return duckdb.connect(
        config={
            "memory_limit": settings.duckdb_memory,
            "threads": 2,
            "autoinstall_known_extensions": False,
        }
    )
