"""The rows of another source that name the keys of one, as installments name their buyer."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from credix.capture.compare.key_comparison import has_bronze
from credix.core.errors import SettingsError
from credix.core.postgres_hash import key_hashes
from credix.operations.erasure.files import keys_naming
from credix.operations.erasure.request import REFERENCES
from credix.state.run import Run


def count_references(run: Run, keys: pa.Table) -> int:
    """Live rows of another source in bronze that name one of these keys."""
    if run.source.name not in REFERENCES:
        return 0
    name, column = REFERENCES[run.source.name]
    other = replace(run, source_name=name)
    if not has_bronze(other):
        return 0
    table = other.warehouse.table_id("bronze", name)
    return int(
        other.warehouse.query(
            f"SELECT count(*) AS n FROM `{table}` "
            f"WHERE NOT _is_deleted AND `{column}` IN UNNEST(@named)",
            named=texts_of(keys),
        )[0]["n"]
    )


def find_references(run: Run, keys: pa.Table) -> tuple[str, pa.Table]:
    """The other source, and its keys whose rows name one of these in bronze or in any file.

    A row that names another key by now is not meant. Raises SettingsError where no source names
    this one.
    """
    if run.source.name not in REFERENCES:
        raise SettingsError(f"No other source names the keys of {run.source.name}.")
    name, column = REFERENCES[run.source.name]
    other, named = replace(run, source_name=name), texts_of(keys)
    found = keys_naming(other, column, named)
    if has_bronze(other):
        key_names = ", ".join(f"`{key}`" for key in other.source.key)
        table = other.warehouse.table_id("bronze", name)
        live = other.warehouse.query(
            f"SELECT {key_names} FROM `{table}` "
            f"WHERE NOT _is_deleted AND `{column}` IN UNNEST(@named)",
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
        found = pa.concat_tables([own, pa.Table.from_pylist(live, found.schema)])
    return name, found.group_by(list(other.source.key)).aggregate([])


def texts_of(keys: pa.Table) -> list[str]:
    return [str(key) for key in keys.column(0).to_pylist()]
