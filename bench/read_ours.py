"""One reading of the installments by this product, in a process of its own: `ours` or `copy`.

Prints JSON: seconds without imports, rows, bytes of Parquet, peak memory of the process in MB.
"""

import io
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2

from bench.peers.read_peer import peak_mb
from bench.stage import INSTALLMENTS, WORK, clear_folder, connect_arguments
from credix.core.settings import Settings
from credix.core.source_sql import quote, table_sql
from credix.state.run import build_run, write_text
from credix.state.states import SourceState
from credix.warehouse import cycle
from credix.workbook.extract import warm_up

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Nothing(io.RawIOBase):
    """Takes bytes and forgets them."""

    def write(self, content: "ReadableBuffer", /) -> int:
        return memoryview(content).nbytes


def copy(settings: Settings) -> dict[str, int]:
    """The wire's limit: the contract's columns over one connection, to nothing."""
    columns = ", ".join(quote(name) for name in INSTALLMENTS.column_names)
    table = table_sql(INSTALLMENTS, settings.postgres_schema)
    with (
        psycopg2.connect(**connect_arguments(settings)) as connection,
        connection.cursor() as cursor,
    ):
        sql = f"COPY (SELECT {columns} FROM {table}) TO STDOUT (FORMAT binary)"
        cursor.copy_expert(sql, Nothing())
        return {"rows": cursor.rowcount, "bytes": 0}


def ours(settings: Settings) -> dict[str, int]:
    """What 01 does in a first load: snapshot, checks, hashes, Parquet, digest, step result."""
    folder = clear_folder(WORK / "extracted")
    run = build_run(settings, "bench", folder, "installments", 1, None, "2026-01-01")
    state = SourceState(source="installments", attempt=1)
    write_text(run.source_folder / "state.json", state.to_json())
    extracted = cycle.extract(run)
    return {"rows": extracted.rows, "bytes": extracted.size_bytes}


def main() -> None:
    reader = {"copy": copy, "ours": ours}[sys.argv[1]]
    settings = Settings.parse(json.loads(Path(sys.argv[2]).read_text("utf-8")))
    warm_up()
    started = time.perf_counter()
    found = reader(settings)
    seconds = time.perf_counter() - started
    print(json.dumps({**found, "seconds": seconds, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
