"""The contract of a source takes up columns that the source table has gained."""

import json
from pathlib import Path

from credix.capture.drift import as_contract_columns, find_new
from credix.capture.source_table import SourceTable
from credix.clients.postgres.connection import SourceConnection
from credix.core.column_types import Column
from credix.core.contracts import Source, contract_file
from credix.core.disk import replacing
from credix.core.settings import Settings


def new_columns(settings: Settings, source: Source) -> list[Column]:
    """Return what the contract would gain, in the order of the source table."""
    with SourceConnection(settings) as connection:
        table = SourceTable(connection, source)
        table.require()
        checks = table.check_columns()
    return as_contract_columns(source, find_new(source, checks))


def add_to_contract(source: Source, columns: list[Column]) -> Path:
    """Append the columns to `<source>.json`, written whole or not at all; the file."""
    return write_contract(contract_file(source.name), [*source.columns, *columns])


def write_contract(path: Path, columns: list[Column]) -> Path:
    """Return a BigQuery schema, one column a line, so that a change is one line of a diff."""
    lines = [
        json.dumps(
            {
                "name": column.name,
                "type": column.type,
                "mode": column.mode,
                "description": column.description,
            },
            ensure_ascii=False,
        )
        for column in columns
    ]
    with replacing(path) as beside:
        beside.write_text("[\n  " + ",\n  ".join(lines) + "\n]\n", "utf-8")
    return path
