"""Source contracts: well formed or refused by name."""

from typing import Any

import pytest

from credix.core import contracts
from credix.core.contracts import (
    Reference,
    Source,
    check_declarations,
    load_source,
    references_to,
    source_names,
    technical_columns,
)
from credix.core.documents import Document, parse_document
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


def build_source(name: str, declared: dict[str, Any], columns: list[dict[str, Any]]) -> Source:
    return contracts.build_source(
        name, Document("sources.yml", declared), Document(f"{name}.json", columns)
    )


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


def test_what_references_a_source_is_declared_where_the_column_is() -> None:
    assert references_to("cnpj_ws") == [Reference("installments", "buyer_tax_id")]
    assert references_to("installments") == []
    assert [load_source(name).job for name in source_names()] == ["cnpj", "installments"]


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
        ({"key": "id"}, r"key must be a list of columns, as in key: \[id\]"),
        ({"key": ["id", True]}, r"key must be a list of columns, .*needs quotes"),
        ({"ignored": 3}, "ignored must be a list"),
        ({"table": ["t"]}, "table must be a text"),
        ({"schema": 1}, "schema must be a text, as in schema: shop"),
        ({"deletes": "no"}, "deletes must be true or false"),
        ({"drift": "ignore"}, "drift must be one of fail, evolve"),
        ({"late_minutes": 0}, "late_minutes must be a whole number"),
        ({"late_minutes": True}, "late_minutes must be a whole number"),
        ({"colour": "red"}, "there is no setting 'colour'; there are table, schema, key"),
        ({True: "red"}, "there is no setting"),
        ({"schedule": "0 5"}, "schedule is '0 5': write five fields"),
        ({"schedule": "0 5 31 feb *"}, "schedule is '0 5 31 feb .': it is never due"),
        ({"references": {"nope": "t"}}, r"references names \['nope'\], which s.json lacks"),
        ({"references": {"day": "t"}}, r"references names \['day'\], which must be STRING"),
        ({"references": ["day"]}, "references must be columns with the source of each"),
        ({"capture": "cursor", "cursor": []}, "needs the columns of the cursor"),
    ],
)
def test_a_wrong_declaration_is_refused_by_name(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        build_source("s", {**DECLARED, **change}, COLUMNS)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(SettingsError, match="the setting 'table' is missing: it must be a text"):
        build_source("s", {k: v for k, v in DECLARED.items() if k != "table"}, COLUMNS)


def test_an_unsupported_type_is_refused_with_the_supported_ones() -> None:
    columns = [*COLUMNS, {"name": "place", "type": "GEOGRAPHY"}]
    with pytest.raises(SettingsError, match=r"'place' has type GEOGRAPHY; supported are STRING"):
        build_source("s", DECLARED, columns)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"id": "STRING"}, "s.json: write a list of columns"),
        ([{"name": "id", "typ": "STRING"}], "column 1: there is no setting 'typ'"),
        ([{"type": "STRING"}], "column 1: the setting 'name' is missing"),
        ([*COLUMNS, {"name": "id", "type": "DATE"}], "column 'id' is there twice"),
        ([*COLUMNS, {"name": "m", "type": "DATE", "mode": "REPEATED"}], "mode must be NULLABLE"),
        ([*COLUMNS, {"name": "m", "type": "DATE", "mode": "REQUIRED"}], "'m' must be NULLABLE"),
    ],
)
def test_a_wrong_schema_is_refused_by_column(columns: Any, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        build_source("s", DECLARED, columns)


def test_a_well_formed_declaration_makes_a_source() -> None:
    source = build_source("s", DECLARED, COLUMNS)
    assert (source.name, source.column_names, source.key) == ("s", ["id", "day"], ("id",))


SECTION = "  table: t\n  key: [id]\n  capture: row_version\n  cursor: []\n  deletes: true\n"
SECTION += "  drift: fail\n  ignored: []\n  personal_data: []\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "sources.yml: write one mapping per source"),
        ("table: t\n", "sources.yml, line 1: source 'table': write its settings below it"),
        (f"1:\n{SECTION}", "sources.yml, line 1: the name of a source must be a text, not 1"),
        (f"t:\n{SECTION}  colour: red\n", "line 10: source 't': there is no setting 'colour'"),
        (f"t:\n{SECTION}  schedule: '* *'\n", "line 10: source 't': schedule is '. .': write five"),
        (f"t:\n{SECTION}u:\n{SECTION}  job: t\n", "line 19: source 'u': the job 't' is that of t"),
        (f"full:\n{SECTION}", "line 1: source 'full': the job 'full' is that of jobs.yml"),
        (f"t:\n{SECTION}  references: {{id: u}}\n", "line 10: .* references u, which is no source"),
    ],
)
def test_a_slip_in_the_declarations_is_named_with_file_and_line(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        check_declarations(parse_document(text, "sources.yml"))
