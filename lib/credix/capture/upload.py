"""A part goes to the landing folder: in 02, or ahead of the others during a large read.

A part that is shipped ahead is one that 02 need not upload again. What a run shipped and never
loaded is swept by the next one.
"""

from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from credix.capture.parts import Part
from credix.core.errors import CredixError, DataError
from credix.core.paths import paths_of
from credix.core.results import LandedPart
from credix.state.run import Run

PARQUET = "application/vnd.apache.parquet"


class BackgroundUploader:
    """Uploads finished parts while others are being read; one at a time, in the background."""

    def __init__(self, run: Run, snapshot_at: datetime) -> None:
        self.run, self.snapshot_at = run, snapshot_at
        self.shipped: set[str] = set()
        self.thread = ThreadPoolExecutor(1)
        self.taken: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for what has been taken; nothing more is begun where the read has failed.

        Raises what an upload has raised that 02 would not report.
        """
        self.thread.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            for future in self.taken:
                future.result()

    def take(self, part: Part) -> None:
        self.taken.append(self.thread.submit(self._ship, describe_part(part)))

    def _ship(self, part: LandedPart) -> None:
        """Upload a part; leave an error of the product to 02, which tries again and reports it."""
        with suppress(CredixError):
            if find_fault(Path(part.path), self.run.source.landing_schema, part.rows) is None:
                upload_part(self.run, part, self.snapshot_at)
                self.shipped.add(part.object_name)


def upload_part(run: Run, part: LandedPart, snapshot_at: datetime) -> str:
    """Upload a part under its content's name; its path in the lake bucket."""
    path = landed_path(run, part, snapshot_at)
    run.lake.upload(
        "lake.upload",
        run.settings.lake_bucket,
        path,
        Path(part.path),
        content_type=PARQUET,
        metadata={
            "source": run.source.name,
            "run_id": run.run_id,
            "seq": str(run.attempt),
            "rows": str(part.rows),
            "crc32c": part.crc32c,
            "fingerprint": run.source.fingerprint,
            "snapshot_at": snapshot_at.isoformat(),
        },
        crc32c=part.crc32c,
    )
    return path


def landed_path(run: Run, part: LandedPart, snapshot_at: datetime) -> str:
    day = snapshot_at.date().isoformat()
    return paths_of(run.settings).landed(day, part.object_name)


def describe_part(part: Part, shipped: Collection[str] = ()) -> LandedPart:
    """Return a part as the step result has it; `shipped` names those that are uploaded."""
    return LandedPart(
        path=str(part.path),
        object_name=part.object_name,
        rows=part.rows,
        size_bytes=part.size_bytes,
        crc32c=part.crc32c,
        is_shipped=part.object_name in shipped,
    )


def read_footer(path: Path) -> pq.FileMetaData:
    """Raise DataError when the file is not a whole Parquet file."""
    try:
        return pq.read_metadata(path)
    except (pa.ArrowInvalid, FileNotFoundError) as error:
        raise DataError(
            f"{path} is not a whole Parquet file ({error}): run 01_extract again."
        ) from None


def find_fault(path: Path, schema: pa.Schema, rows: int) -> str | None:
    """Return what is wrong with a part in a phrase; None when it keeps the contract."""
    footer = read_footer(path)
    found = footer.schema.to_arrow_schema()
    if found.names != schema.names:
        return f"its columns are {found.names}"
    for have, want in zip(found, schema, strict=True):
        if have.type != want.type:
            return f"column {want.name} is {have.type}, not {want.type}"
    if footer.num_rows != rows:
        return f"it has {footer.num_rows} rows, {rows} were written"
    for group in range(footer.num_row_groups):
        for index, field in enumerate(schema):
            statistics = footer.row_group(group).column(index).statistics
            if not field.nullable and statistics is not None and statistics.null_count:
                return f"column {field.name} has NULL values"
    return None
