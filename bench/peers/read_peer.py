"""One reading of a table by another tool, in that tool's environment: dlt or pandas.

Called with the tool's name, the table and a folder; the connection comes as a URL in PEER_URL.
Prints JSON like `bench.read_ours`. Imports are not measured.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path


def dlt_backend(backend: str, table: str, folder: str) -> Callable[[], int]:
    """The SQL source of dlt up to the Parquet files of its working folder: no load behind it."""
    import dlt
    from dlt.sources.sql_database import sql_table

    schema, name = table.split(".")
    options: dict[str, object] = {"chunk_size": 100_000}
    if backend == "connectorx":
        plain = os.environ["PEER_URL"].replace("+psycopg2", "")
        options = {"backend_kwargs": {"conn": plain, "return_type": "arrow"}}
    pipeline = dlt.pipeline("bench", pipelines_dir=folder, destination="filesystem")

    def read() -> int:
        url = os.environ["PEER_URL"]
        rows = sql_table(url, schema=schema, table=name, backend=backend, **options)
        info = pipeline.extract(rows, loader_file_format="parquet")
        metrics = [step["resource_metrics"] for steps in info.metrics.values() for step in steps]
        return sum(found.items_count for kinds in metrics for found in kinds.values())

    return read


def pandas_whole(table: str, folder: str) -> Callable[[], int]:
    """The whole table as a DataFrame, then one Parquet file."""
    import pandas
    import sqlalchemy

    def read() -> int:
        engine = sqlalchemy.create_engine(os.environ["PEER_URL"])
        frame = pandas.read_sql(f"SELECT * FROM {table}", engine)
        frame.to_parquet(Path(folder) / "table.parquet")
        return len(frame)

    return read


def peak_mb() -> int:
    """The most memory this process had, in MB; what it was forked from does not count."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20


def main() -> None:
    tool, table, folder = sys.argv[1:4]
    name, _, backend = tool.partition("_")
    read = dlt_backend(backend, table, folder) if name == "dlt" else pandas_whole(table, folder)
    started = time.perf_counter()
    rows = read()
    seconds = time.perf_counter() - started
    size = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
    print(json.dumps({"rows": rows, "bytes": size, "seconds": seconds, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
