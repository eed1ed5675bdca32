"""What a file from outside must hold, and how its changes are read."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from credix.capture.external.layout import as_changes, read_layout
from credix.core.contracts import load_source
from credix.core.errors import DataError
from tests.tables import COMPANY

SOURCE = load_source("cnpj_ws")
WRITTEN = datetime(2026, 3, 31, 10, tzinfo=UTC)
AT = datetime(2026, 3, 31, 9, 15, 0, 123456, tzinfo=UTC)


def file_of(**columns: Any) -> pa.Table:
    """One company as the contract has it, with these columns more or instead."""
    schema = pa.schema([column.arrow.with_nullable(True) for column in SOURCE.columns])
    table = pa.Table.from_pylist([COMPANY], schema)
    for name, values in columns.items():
        array = values if isinstance(values, pa.Array) else pa.array(values)
        place = table.schema.get_field_index(name)
        table = (
            table.append_column(name, array) if place < 0 else table.set_column(place, name, array)
        )
    return table


def read(table: pa.Table) -> dict[str, Any]:
    layout = read_layout(SOURCE, table.schema)
    rows = table.select(list(layout.columns))
    [change] = as_changes(SOURCE, layout, rows, WRITTEN, 3).to_pylist()
    return change


def test_a_file_of_the_contract_alone_is_a_row_as_of_when_it_was_written() -> None:
    change = read(file_of())
    assert {name: change[name] for name in COMPANY} == COMPANY
    assert (change["_is_deleted"], change["_extracted_at"], change["_file"]) == (False, WRITTEN, 3)


@pytest.mark.parametrize(
    "marks",
    [
        {"_op": ["UPDATE-DELETE"], "_committed_at": [AT]},
        {"_is_deleted": [True], "_committed_at": ["2026-03-31T06:15:00.123456-03:00"]},
        {
            "_ab_cdc_deleted_at": ["2026-03-31T09:15:00Z"],
            "_ab_cdc_updated_at": ["2026-03-31T09:15:00.123456Z"],
            "_ab_cdc_lsn": [17.0],
            "_airbyte_raw_id": ["x"],
        },
    ],
    ids=["Datastream", "a script", "Airbyte"],
)
def test_a_delete_leaves_the_key_alone_and_says_when(marks: dict[str, Any]) -> None:
    change = read(file_of(**marks))
    assert (change["_is_deleted"], change["_extracted_at"]) == (True, AT)
    assert (change["cnpj"], change["legal_name"], change["_row_hash"]) == (
        COMPANY["cnpj"],
        None,
        None,
    )
    assert change["_order"] == ("17".rjust(20, "0") if "_ab_cdc_lsn" in marks else None)


def test_types_that_mean_the_same_are_taken() -> None:
    table = file_of(
        legal_name=pa.array(["Nome"]).dictionary_encode(),
        share_capital=pa.array([7], pa.int32()),
        created_at=pa.array([AT], pa.timestamp("ns", tz="America/Sao_Paulo")),
        email=pa.nulls(1),
    )
    change = read(table)
    assert (change["legal_name"], change["share_capital"]) == ("Nome", 7)
    assert (change["created_at"], change["email"]) == (AT, None)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"created_at": pa.array([AT], pa.timestamp("us"))}, "created_at is timestamp"),
        ({"share_capital": [1.5]}, "share_capital is double, which is not NUMERIC"),
        ({"opening_date": ["2024-01-01"]}, "opening_date is string, which is not DATE"),
        ({"_seq": [1]}, "_seq is not in the contract .*writes these itself"),
        ({"_op": ["D"], "_is_deleted": [True]}, "are both there"),
        ({"_op": [None]}, "_op has values that are none of"),
        ({"_committed_at": ["2026-03-31T09:15:00"]}, "text with a zone"),
        ({"_committed_at": [date(2026, 3, 31)]}, "text with a zone"),
        ({"_committed_at": [WRITTEN + timedelta(hours=1)]}, "is after the time"),
        ({"_order": [1.5]}, "_order has a number that is not whole"),
        ({"created_at": pa.array([1], pa.timestamp("ns", tz="UTC"))}, "a value does not fit"),
    ],
)
def test_what_has_more_than_one_meaning_is_refused_by_name(
    columns: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        read(file_of(**columns))
