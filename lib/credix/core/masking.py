"""Mask personal data in everything that is shown: a value becomes a word, a null stays one.

Which columns are personal is defined in `sources.yml`. Messages of errors are another matter: see
`core/redaction.py`.
"""

from collections.abc import Iterable

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from credix.core.contracts import load_source, source_names

MASK = "masked"


def personal_columns() -> frozenset[str]:
    """Return the columns that any contract lists: silver and gold keep their names."""
    return frozenset().union(*(load_source(name).personal_data for name in source_names()))


def mask_table(table: pa.Table, columns: Iterable[str]) -> pa.Table:
    """Return the table with these columns as texts that say only whether there is a value."""
    for index, name in enumerate(table.column_names):
        if name in columns:
            absent = pc.is_null(table[name])
            masked = pc.if_else(absent, pa.scalar(None, pa.string()), pa.scalar(MASK))
            table = table.set_column(index, name, masked)
    return table


def mask_frame(frame: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Return the same for a frame."""
    personal = {name: frame[name].map(mask_value) for name in frame.columns if name in columns}
    return frame.assign(**personal)


def mask_value(value: object) -> str | None:
    return None if value is None or value is pd.NaT or value != value else MASK


def masked_select(names: Iterable[str], columns: Iterable[str], relation: str) -> str:
    """Return a SELECT of DuckDB's in which these columns are masked."""
    hidden = set(columns)
    texts = [
        f"CASE WHEN {name} IS NOT NULL THEN '{MASK}' END AS {name}" if name in hidden else name
        for name in names
    ]
    return f"SELECT {', '.join(texts)} FROM {relation}"


def mask_middle(text: str) -> str:
    """Return two characters at either end, enough to find a row one knows.

    Nothing of a short text.
    """
    return f"{text[:2]}…{text[-2:]}" if len(text) > 4 else "…"


def mask_tax_number(number: str) -> str:
    """Return a CNPJ of which the check digits alone are shown: enough to compare, not to find."""
    return f"••.•••.•••/••••-{number[-2:]}"
