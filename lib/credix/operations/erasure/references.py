"""The rows of other sources that name the keys of one, as an invoice names its buyer.

Which columns do so is in the contracts (`references`).
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from credix.capture.compare.key_comparison import has_bronze
from credix.core.contracts import references_to
from credix.core.errors import SettingsError
from credix.core.postgres_hash import key_hashes
from credix.operations.erasure.files import keys_naming
from credix.state.run import Run


def count_references(run: Run, keys: pa.Table) -> int:
    """Return how many live rows of other sources in bronze name one of these keys."""
    return sum(
        count_rows(replace(run, source_name=reference.source), reference.column, texts_of(keys))
        for reference in references_to(run.source.name)
    )


def count_rows(other: Run, column: str, named: list[str]) -> int:
    if not has_bronze(other):
        return 0
    table = other.warehouse.table_id("bronze", other.source.name)
    return int(
        other.warehouse.query(
            f"SELECT count(*) AS n FROM `{table}` "
            f"WHERE NOT _is_deleted AND `{column}` IN UNNEST(@named)",
            named=named,
        )[0]["n"]
    )


def find_references(run: Run, keys: pa.Table) -> dict[str, pa.Table]:
    """Return by source the keys whose rows name one of these in bronze or in any file.

    A row that names another key by now is not meant. Raises SettingsError where no source names
    this one.
    """
    references = references_to(run.source.name)
    if not references:
        raise SettingsError(f"No other source references the keys of {run.source.name}.")
    found: dict[str, pa.Table] = {}
    for reference in references:
        other = replace(run, source_name=reference.source)
        rows = find_rows(other, reference.column, texts_of(keys))
        before = found.get(reference.source)
        both = pa.concat_tables([before, rows]) if before else rows
        found[reference.source] = both.group_by(list(other.source.key)).aggregate([])
    return {source: rows for source, rows in found.items() if len(rows)}


def find_rows(other: Run, column: str, named: list[str]) -> pa.Table:
    """Return the keys of one source whose rows have one of these texts in the column."""
    found = keys_naming(other, column, named)
    if not has_bronze(other):
        return found
    key_names = ", ".join(f"`{key}`" for key in other.source.key)
    table = other.warehouse.table_id("bronze", other.source.name)
    live = other.warehouse.query(
        f"SELECT {key_names} FROM `{table}` WHERE NOT _is_deleted AND `{column}` IN UNNEST(@named)",
        named=named,
    )
    foreign = other.warehouse.query_arrow(
        f"SELECT _key_hash FROM `{table}` WHERE NOT _is_deleted AND "
        f"coalesce(`{column}`, '') NOT IN UNNEST(@named) AND _key_hash IN UNNEST(@keys)",
        named=named,
        keys=key_hashes(other.source, found).tolist(),
    )["_key_hash"].to_numpy()
    is_own = ~np.isin(key_hashes(other.source, found), foreign)
    own = found.filter(pa.array(is_own))
    return pa.concat_tables([own, pa.Table.from_pylist(live, found.schema)])


def texts_of(keys: pa.Table) -> list[str]:
    return [str(key) for key in keys.column(0).to_pylist()]
