"""Columns that the source has and the contract lacks: refused, or reported and left out."""

from collections.abc import Sequence

from credix.capture.source_table import ColumnCheck, SourceTable
from credix.core.column_types import TYPES, Column
from credix.core.contracts import Source
from credix.core.errors import SourceError


def find_new(source: Source, checks: Sequence[ColumnCheck]) -> list[ColumnCheck]:
    """Return columns of the source table that neither the contract nor `ignored` names."""
    return [check for check in checks if not check.contract and check.name not in source.ignored]


def describe_drift(table: SourceTable) -> list[str]:
    """Return a sentence for each new column; raises SourceError with them under `drift: fail`."""
    source, name = table.source, table.name
    new = find_new(source, table.check_columns())
    if new and source.drift == "fail":
        columns = ", ".join(f"{check.name} ({check.source})" for check in new)
        raise SourceError(
            f"{name} has new columns that {source.name}.json lacks: {columns}. Nothing was "
            f"written. Add them with ./run_pipeline.py evolve {source.name}, name them under "
            "'ignored' in sources.yml, or set drift: evolve there to go on without them."
        )
    return [
        f"WARNING: {name} has a new column {check.name} ({check.source}), which is not replicated: "
        f"add it to the contract with ./run_pipeline.py evolve {source.name}."
        for check in new
    ]


def as_contract_columns(source: Source, new: Sequence[ColumnCheck]) -> list[Column]:
    """Return the new columns as the contract would have them, all NULLABLE.

    Raises SourceError for a PostgreSQL type that no BigQuery type of the product fits.
    """
    return [
        Column(check.name, bigquery_type(source, check), "NULLABLE", "Not described yet")
        for check in new
    ]


def bigquery_type(source: Source, check: ColumnCheck) -> str:
    for name, mapping in TYPES.items():
        if check.source in mapping.accepted:
            return name
    supported = ", ".join(sorted(kind for mapping in TYPES.values() for kind in mapping.accepted))
    raise SourceError(
        f"Column {check.name} of {source.table} is {check.source}, which cannot be replicated: "
        "name "
        f"it under 'ignored' in sources.yml, or give it one of the types {supported}."
    )
