"""The files that hold a key: found by reading the key's columns alone, then written without it."""

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from credix.capture.external.layout import WRITTEN_AT
from credix.capture.parts import describe_part
from credix.clients.gcs.lake import Lake
from credix.clients.gcs.objects import download, open_object, overwrite, retained_until
from credix.clients.gcs.stored import StoredObject
from credix.core.disk import disk_named
from credix.core.errors import DataError, StateError
from credix.core.paths import paths_of
from credix.operations.erasure.request import Erasure, Matcher, Retained
from credix.state.run import Run

READERS = 8
# A statement of BigQuery has a megabyte at most.
KEYS_AT_A_TIME = 20_000
ARCHIVE, LAKE = "archive", "lake"


@dataclass(frozen=True)
class HoldingFile:
    """A file with rows of the keys; `rows` is None when it could not be looked into."""

    place: str
    stored: StoredObject
    rows: int | None
    until: datetime | None

    @property
    def address(self) -> str:
        return self.stored.address


def find_files(run: Run, matcher: Matcher, record: Erasure | None = None) -> list[HoldingFile]:
    """All files below the run's prefix with rows of these keys, and those that cannot be read.

    With a record those that were there when the erasure began; a key may have come back since.
    """
    with ThreadPoolExecutor(READERS) as readers:
        found = readers.map(
            lambda named: look_into(run.lake, matcher, *named),
            [
                named
                for named in list_objects(run, matcher.source.name)
                if is_meant(named[1], record)
            ],
        )
        return [file for file in found if file.rows is None or file.rows]


def is_meant(stored: StoredObject, record: Erasure | None) -> bool:
    """Return True for files of attempts before the erasure.

    Others contain no attempt, but a time.
    """
    if record is None:
        return True
    seq = stored.metadata.get("seq", "")
    if seq.isdecimal():
        return int(seq) <= record.attempt
    return stored.created_at <= (record.repeated_at or record.requested_at)


def list_objects(run: Run, name: str) -> Iterator[tuple[str, StoredObject]]:
    """Landed, refused, archived and received files that may be of the source."""
    settings, paths = run.settings, paths_of(run.settings)
    external = paths.external(name).removesuffix(f"{name}/")
    for folder in (paths.landing, paths.failed(paths.landing)):
        for stored in run.lake.objects(settings.lake_bucket, folder):
            landed = f"{paths.landing}{stored.name.removeprefix(folder)}"
            metadata = stored.metadata.get("source", name)
            is_own = metadata == name
            if landed.startswith(external):
                is_own = landed.startswith(paths.external(name))
            if is_own:
                yield LAKE, stored
    for stored in run.lake.objects(settings.archive_bucket, paths.archived(paths.landing)):
        if stored.metadata.get("source") == name:
            yield ARCHIVE, stored
    for stored in run.lake.objects(settings.archive_bucket, paths.received(name, "", "")[:-1]):
        yield ARCHIVE, stored


def look_into(lake: Lake, matcher: Matcher, place: str, stored: StoredObject) -> HoldingFile:
    """Return how many rows of the keys a file has; None where it has rows without a key."""
    until = retained_until(stored)
    rows: int | None = 0
    try:
        if stored.size:
            parquet = pq.ParquetFile(open_object(lake, stored))
            names = list(matcher.source.key)
            if set(names) <= set(parquet.schema_arrow.names):
                batches = parquet.iter_batches(columns=names)
                tables = (pa.Table.from_batches([batch]) for batch in batches)
                rows = sum(int(matcher.mask(table).sum()) for table in tables)
            elif parquet.metadata.num_rows:
                rows = None
    except MemoryError:
        # Arrow's is one of its own errors, too, and says nothing of the file.
        raise
    except (pa.ArrowException, OSError, DataError):
        rows = None
    return HoldingFile(place, stored, rows, until)


def rewrite_files(run: Run, matcher: Matcher, files: list[HoldingFile]) -> list[Retained]:
    """Write each file without the keys' rows; those that the retention still keeps as they are."""
    # Among the parts of the source, which go with those of a run that dies.
    folder = run.source_folder / "parts" / "erase"
    folder.mkdir(parents=True, exist_ok=True)
    retained = []
    try:
        with disk_named(folder):
            for file in files:
                if not (file.until is None and rewrite(run, matcher, file, folder)):
                    path = file.stored.name
                    retained.append(Retained(path=path, rows=file.rows or 0, until=file.until))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return retained


def rewrite(run: Run, matcher: Matcher, file: HoldingFile, folder: Path) -> bool:
    """Return False where it may not be changed yet."""
    fetched, kept = folder / "fetched.parquet", folder / "kept.parquet"
    crc32c = file.stored.crc32c
    if (
        not download(run.lake, file.stored, fetched)
        or describe_part(fetched, "", 0).crc32c != crc32c
    ):
        raise StateError(f"{file.address} was replaced meanwhile: erase again.")
    rows = write_without(matcher, fetched, kept)
    part = describe_part(kept, "", rows)
    metadata = {**file.stored.metadata, "rows": str(rows), "crc32c": part.crc32c}
    # A new object must not make the rows of an outside writer newer than they are.
    metadata.setdefault(WRITTEN_AT, file.stored.created_at.isoformat())
    return overwrite(run.lake, file.stored, kept, metadata)


def delete_keys(
    run: Run, effect: str, table_id: str, hashes: Sequence[int], condition: str = "TRUE"
) -> None:
    """Delete rows by `_key_hash`, so many at a time as a statement of BigQuery may name."""
    for start in range(0, len(hashes), KEYS_AT_A_TIME):
        listed = ", ".join(map(str, hashes[start : start + KEYS_AT_A_TIME]))
        sql = f"DELETE FROM `{table_id}` WHERE {condition} AND _key_hash IN ({listed})"
        run.warehouse.execute(effect, table_id, sql)


def write_without(matcher: Matcher, fetched: Path, kept: Path) -> int:
    """Row group by row group; the rows that are left, maybe none."""
    parquet = pq.ParquetFile(fetched)
    rows = 0
    with pq.ParquetWriter(
        kept, parquet.schema_arrow, compression="zstd", store_schema=False
    ) as writer:
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group)
            left = table.filter(pa.array(~matcher.mask(table.select(list(matcher.source.key)))))
            rows += len(left)
            if len(left):
                writer.write_table(left)
    return rows


def keys_naming(run: Run, column: str, values: Sequence[str]) -> pa.Table:
    """Return the keys of archived and landed rows in which this column has one of these values."""
    names = list(run.source.key)
    schema = pa.schema([run.source.landing_schema.field(name) for name in names])
    wanted = pa.array(values, pa.string())

    def read(named: tuple[str, StoredObject]) -> pa.Table:
        try:
            stream = open_object(run.lake, named[1])
            rows = pq.ParquetFile(stream).read(columns=[*names, column])
            return rows.filter(pc.is_in(rows[column], wanted)).select(names).cast(schema)
        except (pa.ArrowException, OSError, KeyError, ValueError):
            # Files that cannot be read are reported by find_files.
            return schema.empty_table()

    with ThreadPoolExecutor(READERS) as readers:
        found = readers.map(read, list(list_objects(run, run.source.name)))
        return pa.concat_tables([schema.empty_table(), *found])


def erased_hashes(run: Run, matcher: Matcher, path: str) -> list[int]:
    """`_key_hash` of the keys' rows in an archived file."""
    stored = run.lake.objects(run.settings.archive_bucket, path)[0]
    columns = [*matcher.source.key, "_key_hash"]
    table = pq.ParquetFile(open_object(run.lake, stored)).read(columns=columns)
    found = table.filter(pa.array(matcher.mask(table)))
    result: list[int] = np.unique(found["_key_hash"].to_numpy()).tolist()
    return result
