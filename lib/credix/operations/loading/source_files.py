"""Parquet files for a source: found by name, checked against the contract."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from credix.core.column_types import TYPES, Column, can_hold
from credix.core.contracts import Source, declarations, source_names
from credix.core.errors import DataError

BATCH_ROWS = 65_536


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as parquet:
            yield parquet
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.") from error
    except PermissionError as error:
        raise DataError(f"This user may not read {path}: chmod a+r it, or chown it.") from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name} cannot be read as Parquet; it may be damaged.") from error


def find_files(paths: Iterable[Path]) -> dict[str, Path]:
    """Return the file of each source, named after it or its table, in the order of `sources.yml`.

    Raises DataError where a source has two files, or a folder may not be looked into.
    """
    found: dict[str, Path] = {}
    of_table = {declared.table: name for name, declared in declarations().items()}
    for file in files_in(paths):
        name = file.stem if file.stem in declarations() else of_table.get(file.stem, file.stem)
        other = found.setdefault(name, file)
        if not file.samefile(other):
            raise DataError(f"Source {name} has two files, {other} and {file}: leave one out.")
    unknown = sorted(set(found) - set(source_names()))
    if unknown:
        raise DataError(f"No source is called {', '.join(unknown)}: see sources.yml.")
    if not found:
        names = ", ".join(f"{name}.parquet" for name in source_names())
        raise DataError(
            f"There is nothing to load: expected {names}. "
            "Make demo data with: python -m credix_local.demo FOLDER (in containers: "
            "docker compose run --rm demo)"
        )
    return {name: found[name] for name in source_names() if name in found}


def files_in(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files that the paths name, and the Parquet files of their folders."""
    for path in paths:
        try:
            if not path.exists():
                raise DataError(f"There is no file or folder {path}.")
            # Path.glob passes over a folder that it may not read.
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            yield from (file for file in files if file == path or file.suffix == ".parquet")
        except PermissionError as error:
            raise DataError(
                f"This user may not look into {error.filename}: chmod a+rx it, or chown it."
            ) from error


def check_columns(schema: pa.Schema, source: Source, path: Path) -> None:
    """Refuse a file whose columns are not the contract's, in any order; raises DataError."""
    faults = [
        f"column '{name}' is missing" for name in source.column_names if name not in schema.names
    ]
    faults += [
        f"column '{name}' is not in the contract"
        for name in schema.names
        if name not in source.column_names
    ]
    for column in source.columns:
        kind = schema.field(column.name).type if column.name in schema.names else None
        if kind is not None and not can_hold(kind, column.type):
            faults.append(f"column '{column.name}' is {kind}, the contract says {column.type}")
    if faults:
        raise DataError(
            f"{path.name} does not fit the contract {source.name}.json: {'; '.join(faults)}."
        )


def as_contract(parquet: pq.ParquetFile, source: Source, path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the file's rows in the contract's columns, order and types, batch by batch."""
    for batch in parquet.iter_batches(BATCH_ROWS, columns=source.column_names):
        arrays = [as_type(batch.column(column.name), column, path) for column in source.columns]
        yield pa.RecordBatch.from_arrays(arrays, source.column_names)


def as_type(values: "pa.Array[Any]", column: Column, path: Path) -> "pa.Array[Any]":
    try:
        return values.cast(TYPES[column.type].arrow)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path.name}: column '{column.name}' has values that do not fit {column.type}."
        ) from error
