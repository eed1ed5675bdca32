"""What is in the Parquet of a run: counts, nulls and ranges through DuckDB, people masked."""

import duckdb
import pandas as pd

from credix.capture.delta import Delta
from credix.core.masking import MASK
from credix.core.settings import Settings
from credix.core.source_sql import quote
from credix.state.fencing import fenced
from credix.state.run import Run

COLUMNS = ["column", "type", "nulls %", "distinct", "min", "max"]


@fenced
def summarize(run: Run, delta: Delta) -> pd.DataFrame:
    """Return one line per column: type, share of nulls, distinct values, smallest and greatest.

    Nothing is summed up, as DuckDB's SUMMARIZE does: two great amounts exceed its widest number.
    """
    if not delta.parts:
        return pd.DataFrame(columns=COLUMNS)
    with connect(run.settings) as connection:
        query, files = "FROM read_parquet(?)", [paths(delta)]
        described = connection.execute(f"DESCRIBE {query}", files).fetchall()
        figures = ", ".join(f"[{', '.join(figures_of(quote(name)))}]" for name, *_ in described)
        found = connection.execute(f"SELECT {figures} {query}", files).fetchall()[0]
    lines = [
        (name, kind, float(nulls), int(distinct), least, greatest)
        for (name, kind, *_), (nulls, distinct, least, greatest) in zip(
            described, found, strict=True
        )
    ]
    summary = pd.DataFrame(lines, columns=COLUMNS)
    # A text's extremes say little and may be a name: ranges are for numbers, dates and instants.
    is_masked = (summary["type"] == "VARCHAR") | summary["column"].isin(run.source.personal_data)
    summary.loc[is_masked, ["min", "max"]] = MASK
    return summary


def figures_of(column: str) -> tuple[str, ...]:
    """Return the SQL of a column's figures, all of them texts."""
    return (
        f"(round(100 * (1 - count({column}) / count(*)), 2))::VARCHAR",
        f"approx_count_distinct({column})::VARCHAR",
        f"min({column})::VARCHAR",
        f"max({column})::VARCHAR",
    )


@fenced
def plot_months(run: Run, delta: Delta) -> None:
    """Plot the rows of the delta by the month of their greatest cursor column, if there are any."""
    if delta.parts and run.source.cursor:
        from credix.report.charts import bars

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
    """Return a DuckDB of bounded memory that never reaches out for extensions."""
    return duckdb.connect(
        config={
            "memory_limit": settings.duckdb_memory,
            "threads": 2,
            "autoinstall_known_extensions": False,
        }
    )
