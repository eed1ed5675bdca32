"""Source contracts: well formed or refused by name."""

from pathlib import Path
from typing import Any

import pytest

from credix.core.contracts import (
    build_source,
    load_source,
    read_declarations,
    source_names,
    technical_columns,
)
from credix.core.errors import SettingsError
from credix.core.source_sql import table_sql

DECLARED: dict[str, Any] = {
    "table": "t",
    "key": ["id"],
    "capture": "row_version",
    "cursor": ["day"],
    "deletes": True,
    "drift": "fail",
    "ignored": [],
    "personal_data": [],
}
COLUMNS = [
    {"name": "id", "type": "STRING", "mode": "REQUIRED"},
    {"name": "day", "type": "DATE", "mode": "NULLABLE"},
]


def test_both_sources_are_declared_and_well_formed() -> None:
    assert source_names() == ["cnpj_ws", "installments"]
    companies, installments = (load_source(name) for name in source_names())
    assert (companies.table, companies.key) == ("business_case_cnpj_ws", ("cnpj",))
    assert (installments.table, installments.key) == ("business_case_installments", ("asset_id",))
    assert companies.personal_data == {"legal_name", "email", "phone"}
    assert {companies.capture, installments.capture} == {"row_version"}


def test_due_date_is_no_cursor() -> None:
    assert load_source("installments").cursor == ("invoice_issue_date", "paid_date")


def test_every_column_is_described() -> None:
    for name in source_names():
        for column in load_source(name).landing_columns:
            assert column.description, f"{name}.{column.name}"


def test_landing_files_carry_the_contract_then_the_technical_columns() -> None:
    source = load_source("installments")
    names = source.landing_schema.names
    assert names[: len(source.columns)] == source.column_names
    assert names[len(source.columns) :] == [column.name for column in technical_columns()]
    assert all(column.name.startswith("_") for column in technical_columns())


def test_a_source_may_lie_in_a_schema_of_its_own() -> None:
    usual = build_source("t", DECLARED, COLUMNS)
    other = build_source("t", {**DECLARED, "schema": "shop"}, COLUMNS)
    assert (usual.table_in("oltp"), other.table_in("oltp")) == ("oltp.t", "shop.t")
    assert table_sql(other, "oltp") == '"shop"."t"'


def test_an_unknown_source_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"no source 'cnpj'.*cnpj_ws, installments"):
        load_source("cnpj")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"capture": "magic"}, "capture must be one of row_version, cursor"),
        ({"key": ["nope"]}, r"key names \['nope'\], which s.json lacks"),
        ({"cursor": ["nope"]}, r"cursor names \['nope'\]"),
        ({"personal_data": ["nope"]}, r"personal_data names \['nope'\]"),
        ({"key": []}, "needs a key"),
        ({"key": ["day"]}, "must be REQUIRED"),
        ({"key": "id"}, r'key must be a list, as in key = \["id"\]'),
        ({"ignored": 3}, "ignored must be a list"),
        ({"table": ["t"]}, "table must be a text"),
        ({"late_minutes": 0}, "late_minutes must be a whole number"),
        ({"late_minutes": True}, "late_minutes must be a whole number"),
        ({"colour": "red"}, "missing or unknown settings: colour"),
        ({"capture": "cursor", "cursor": []}, "needs the columns of the cursor"),
    ],
)
def test_a_wrong_declaration_is_refused_by_name(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        build_source("s", {**DECLARED, **change}, COLUMNS)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(SettingsError, match="missing or unknown settings: table"):
        build_source("s", {k: v for k, v in DECLARED.items() if k != "table"}, COLUMNS)


def test_an_unsupported_type_is_refused_with_the_supported_ones() -> None:
    columns = [*COLUMNS, {"name": "place", "type": "GEOGRAPHY"}]
    with pytest.raises(SettingsError, match=r"'place' has type GEOGRAPHY; supported are STRING"):
        build_source("s", DECLARED, columns)


def test_a_well_formed_declaration_makes_a_source() -> None:
    source = build_source("s", DECLARED, COLUMNS)
    assert (source.name, source.column_names, source.key) == ("s", ["id", "day"], ("id",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[t]\ntable = "t"\nkey = [id]\n', r"sources\.toml cannot be read: .*line 3"),
        ("[t\n", r"sources\.toml cannot be read: .*line 1"),
        ('table = "t"\n', r"sources\.toml: table belongs to no source"),
    ],
)
def test_a_slip_in_the_declarations_is_named_with_file_and_line(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "sources.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=words):
        read_declarations(path)
