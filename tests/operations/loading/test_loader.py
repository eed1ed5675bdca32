"""The loader: a file wholly or not at all, values exactly, errors without values."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, text

from credix.core.column_types import arrow_schema
from credix.core.contracts import load_source, source_names
from credix.core.errors import DataError, SettingsError, SourceError, TransientError
from credix.core.settings import Settings
from credix.operations.loading import loader
from credix.operations.loading.source_files import find_files
from credix_local.process import wait_until
from tests.tables import COMPANY, INSTALLMENT

COMPANIES_TABLE = "business_case_cnpj_ws"
SECRET = "Segredo Comércio Ltda"


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    made = loader.engine_from(settings.variables())
    yield made
    made.dispose()


@pytest.fixture
def schema(settings: Settings) -> str:
    """A schema that does not exist yet."""
    return settings.postgres_schema


def write(path: Path, source: str, rows: list[dict[str, Any]]) -> Path:
    schema = arrow_schema(load_source(source).columns)
    # A missing required value must reach PostgreSQL: the file itself allows it.
    nullable = pa.schema([field.with_nullable(True) for field in schema])
    pq.write_table(pa.Table.from_pylist(rows, schema=nullable), path)
    return path


def companies(path: Path, *changes: dict[str, Any]) -> dict[str, Path]:
    rows = [{**COMPANY, **change} for change in changes]
    return {"cnpj_ws": write(path / "cnpj_ws.parquet", "cnpj_ws", rows)}


def stored(engine: Engine, schema: str, table: str = COMPANIES_TABLE) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        rows = connection.execute(text(f"SELECT * FROM {schema}.{table} ORDER BY 1"))
        return [dict(row) for row in rows.mappings()]


def tables_of(engine: Engine, schema: str) -> set[str]:
    with engine.connect() as connection:
        query = text("SELECT tablename FROM pg_tables WHERE schemaname = :schema")
        return set(connection.execute(query, {"schema": schema}).scalars())


def test_schema_and_tables_are_made_from_the_contracts(
    engine: Engine, schema: str, tmp_path: Path
) -> None:
    files = companies(tmp_path, {})
    files["installments"] = write(tmp_path / "i.parquet", "installments", [INSTALLMENT])
    assert loader.load_files(engine, schema, files) == {"cnpj_ws": 1, "installments": 1}
    facts = text(
        "SELECT attname, format_type(atttypid, NULL), attnotnull, attnum = ANY(indkey)"
        " FROM pg_attribute JOIN pg_index ON indrelid = attrelid AND indisprimary"
        " WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 ORDER BY attnum"
    )
    for name in source_names():
        source = load_source(name)
        with engine.connect() as connection:
            found = connection.execute(facts, {"table": f"{schema}.{source.table}"}).all()
        assert [row[0] for row in found] == source.column_names
        assert [row[0] for row in found if row[2]] == [
            column.name for column in source.columns if column.is_required
        ]
        assert tuple(row[0] for row in found if row[3]) == source.key


@pytest.mark.parametrize(
    "words",
    [
        "",
        " ",
        "NULL",
        "\\N",
        "\\.",
        "before\n\\.\nafter",
        'said "no", twice',
        '"',
        "',;\t|",
        "line\r\nbreak\rhere",
        "back\\slash",
        "São João d'Água, 東京 🍞",
        "e\u0301 is not \u00e9",
        None,
    ],
)
def test_text_survives_exactly(
    engine: Engine, schema: str, tmp_path: Path, words: str | None
) -> None:
    loader.load_files(engine, schema, companies(tmp_path, {"legal_name": words, "uf": words}))
    (row,) = stored(engine, schema)
    assert (row["legal_name"], row["uf"]) == (words, words)


def test_every_type_survives_exactly_and_so_does_null(
    engine: Engine, schema: str, tmp_path: Path
) -> None:
    changes: list[dict[str, Any]] = [
        {"cnpj": "1", "share_capital": Decimal("99999999999999999999999999999.123456789")},
        {"cnpj": "2", "share_capital": Decimal("-0.01"), "opening_date": date(1, 1, 1)},
        {"cnpj": "3", "created_at": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)},
        {"cnpj": "4", "share_capital": None, "opening_date": None, "created_at": None},
    ]
    loader.load_files(engine, schema, companies(tmp_path, *changes))
    assert stored(engine, schema) == [{**COMPANY, **change} for change in changes]


def test_rows_of_all_batches_arrive(engine: Engine, schema: str, tmp_path: Path) -> None:
    count = 150_000
    rows = [{**INSTALLMENT, "asset_id": f"{number:06}"} for number in range(count)]
    file = write(tmp_path / "installments.parquet", "installments", rows)
    assert loader.load_files(engine, schema, {"installments": file}) == {"installments": count}
    found = stored(engine, schema, "business_case_installments")
    assert [row["asset_id"] for row in found] == [row["asset_id"] for row in rows]


def test_a_bad_second_file_leaves_nothing_of_itself_and_keeps_the_first(
    engine: Engine, schema: str, tmp_path: Path
) -> None:
    twice = [INSTALLMENT, {**INSTALLMENT, "asset_id": "a2"}, INSTALLMENT]
    files = companies(tmp_path, {})
    files["installments"] = write(tmp_path / "installments.parquet", "installments", twice)
    with pytest.raises(DataError, match=r"installments\.parquet .* key is not unique"):
        loader.load_files(engine, schema, files)
    assert tables_of(engine, schema) == {COMPANIES_TABLE}
    assert len(stored(engine, schema)) == 1


def test_loading_twice_is_refused_and_changes_nothing(
    engine: Engine, schema: str, tmp_path: Path
) -> None:
    files = companies(tmp_path, {})
    loader.load_files(engine, schema, files)
    with pytest.raises(DataError, match=f"{COMPANIES_TABLE} already holds rows.*--replace"):
        loader.load_files(engine, schema, files)
    assert len(stored(engine, schema)) == 1


def test_replace_puts_the_file_in_the_place_of_the_rows(
    engine: Engine, schema: str, tmp_path: Path
) -> None:
    loader.load_files(engine, schema, companies(tmp_path, {"cnpj": "1"}, {"cnpj": "2"}))
    loader.load_files(engine, schema, companies(tmp_path, {"cnpj": "3"}), replace=True)
    assert [row["cnpj"] for row in stored(engine, schema)] == ["3"]


def test_a_failed_replacement_leaves_the_old_rows(
    engine: Engine, schema: str, tmp_path: Path
) -> None:
    loader.load_files(engine, schema, companies(tmp_path, {"cnpj": "old"}))
    with pytest.raises(DataError, match="column 'cnpj' is required"):
        loader.load_files(engine, schema, companies(tmp_path, {"cnpj": None}), replace=True)
    assert [row["cnpj"] for row in stored(engine, schema)] == ["old"]


def test_all_wrong_columns_are_named_before_anything_is_written(
    engine: Engine, schema: str, tmp_path: Path
) -> None:
    table = pq.read_table(companies(tmp_path, {})["cnpj_ws"])
    opening = table.schema.get_field_index("opening_date")
    table = table.set_column(opening, "opening_date", pa.array(["2020-01-01"]))
    table = table.drop_columns(["city"]).append_column("town", pa.array(["São Paulo"]))
    pq.write_table(table, tmp_path / "cnpj_ws.parquet")
    with pytest.raises(DataError) as caught:
        loader.load_files(engine, schema, find_files([tmp_path]))
    for fault in (
        "column 'city' is missing",
        "column 'town' is not in the contract",
        "column 'opening_date' is string, the contract says DATE",
    ):
        assert fault in str(caught.value)
    assert tables_of(engine, schema) == set()


def test_a_timestamp_without_a_time_zone_is_refused(
    engine: Engine, schema: str, tmp_path: Path
) -> None:
    table = pq.read_table(companies(tmp_path, {})["cnpj_ws"])
    position = table.schema.get_field_index("created_at")
    naive = table["created_at"].cast(pa.timestamp("us"))
    pq.write_table(table.set_column(position, "created_at", naive), tmp_path / "cnpj_ws.parquet")
    with pytest.raises(DataError, match="'created_at' is timestamp"):
        loader.load_files(engine, schema, find_files([tmp_path]))


def test_files_of_other_tools_fit_when_their_values_do(
    engine: Engine, schema: str, tmp_path: Path
) -> None:
    table = pq.read_table(companies(tmp_path, {})["cnpj_ws"])
    for name, kind in {
        "cnpj": pa.large_string(),
        "uf": pa.dictionary(pa.int32(), pa.string()),
        "share_capital": pa.decimal128(18, 2),
        "created_at": pa.timestamp("us", tz="America/Sao_Paulo"),
    }.items():
        position = table.schema.get_field_index(name)
        values = table[name].combine_chunks()
        converted = values.dictionary_encode() if name == "uf" else values.cast(kind)
        table = table.set_column(position, name, converted)
    other_order = table.select(table.column_names[::-1])
    pq.write_table(other_order, tmp_path / "cnpj_ws.parquet")
    loader.load_files(engine, schema, find_files([tmp_path]))
    assert stored(engine, schema) == [COMPANY]


def test_values_that_do_not_fit_are_refused_by_column(
    engine: Engine, schema: str, tmp_path: Path
) -> None:
    table = pq.read_table(write(tmp_path / "installments.parquet", "installments", [INSTALLMENT]))
    position = table.schema.get_field_index("installment_number")
    huge = pa.array([2**64 - 1], pa.uint64())
    table = table.set_column(position, "installment_number", huge)
    pq.write_table(table, tmp_path / "installments.parquet")
    with pytest.raises(DataError, match="'installment_number' has values that do not fit INTEGER"):
        loader.load_files(engine, schema, find_files([tmp_path]))
    assert tables_of(engine, schema) == set()


@pytest.mark.parametrize("change", [{"legal_name": f"{SECRET}\0"}, {"cnpj": SECRET}])
def test_errors_never_quote_values_or_the_password(
    engine: Engine, schema: str, settings: Settings, tmp_path: Path, change: dict[str, str]
) -> None:
    with pytest.raises(DataError) as caught:
        loader.load_files(engine, schema, companies(tmp_path, change, change))
    error: BaseException | None = caught.value
    assert "cnpj_ws.parquet" in str(error)
    assert f"{schema}.{COMPANIES_TABLE}" in str(error)
    assert SECRET not in str(error)
    assert settings.postgres_password.get_secret_value() not in repr((error, engine, engine.url))
    assert caught.value.__suppress_context__


def test_a_session_that_the_server_ends_within_a_copy_shows_no_row(
    engine: Engine, schema: str, settings: Settings, tmp_path: Path
) -> None:
    """More than the sockets hold is on its way while the server works on the first row."""
    files = companies(
        tmp_path, *({"cnpj": f"{n}", "legal_name": SECRET * 500} for n in range(2000))
    )
    table = loader.create_table(schema, load_source("cnpj_ws"))
    wait = (
        f"CREATE FUNCTION {schema}.wait() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_sleep(600); RETURN NEW; END';"
        f"CREATE TRIGGER wait BEFORE INSERT ON {schema}.{COMPANIES_TABLE} "
        f"FOR EACH ROW EXECUTE FUNCTION {schema}.wait()"
    )
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE wait_event = 'PgSleep' AND query LIKE 'COPY \"{schema}\"%'"
    )
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        connection.connection.cursor().execute(table)
        connection.connection.cursor().execute(wait)
    with subprocess.Popen(
        [sys.executable, "-m", "credix.operations.loading.loader", str(files["cnpj_ws"])],
        env={**os.environ, **settings.variables()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as command:

        def is_ended() -> bool:
            with engine.connect() as connection:
                return connection.execute(text(end)).first() is not None

        assert wait_until(is_ended, 60, pause=0.05)
        said, _ = command.communicate(timeout=60)
    assert "was not loaded into" in said
    assert (command.returncode, SECRET in said) == (1, False)


def test_a_damaged_file_is_named(engine: Engine, schema: str, tmp_path: Path) -> None:
    (tmp_path / "cnpj_ws.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DataError, match=r"cnpj_ws\.parquet cannot be read as Parquet"):
        loader.load_files(engine, schema, find_files([tmp_path]))


def test_pages_that_are_damaged_leave_no_table(engine: Engine, schema: str, tmp_path: Path) -> None:
    path = companies(tmp_path, *({"cnpj": f"{number}"} for number in range(1000)))["cnpj_ws"]
    content = bytearray(path.read_bytes())
    content[4:2000] = bytes(1996)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cnpj_ws\.parquet cannot be read as Parquet"):
        loader.load_files(engine, schema, find_files([tmp_path]))
    assert tables_of(engine, schema) == set()


def test_a_table_of_other_columns_is_left_alone(
    engine: Engine, schema: str, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        connection.execute(text(f"CREATE TABLE {schema}.{COMPANIES_TABLE} (mine int)"))
    with pytest.raises(SourceError, match="other columns than the contract"):
        loader.load_files(engine, schema, companies(tmp_path, {}))
    assert stored(engine, schema) == []


def test_a_wrong_password_and_a_silent_server_are_told_apart(
    settings: Settings, schema: str, tmp_path: Path
) -> None:
    files = companies(tmp_path, {})
    wrong = loader.engine_from({**settings.variables(), "POSTGRES_PASSWORD": SECRET})
    with pytest.raises(SourceError, match="login was refused"):
        loader.load_files(wrong, schema, files)
    elsewhere = loader.engine_from({**settings.variables(), "POSTGRES_DB": "elsewhere"})
    with pytest.raises(SourceError, match=r"no such database\. Correct POSTGRES_DB"):
        loader.load_files(elsewhere, schema, files)
    nobody = loader.engine_from({**settings.variables(), "POSTGRES_PORT": "1"})
    with pytest.raises(TransientError, match="does not answer"):
        loader.load_files(nobody, schema, files)


def test_missing_variables_are_all_named() -> None:
    with pytest.raises(SettingsError, match="POSTGRES_DB, POSTGRES_PASSWORD"):
        loader.engine_from({"POSTGRES_HOST": "h", "POSTGRES_USER": "u", "POSTGRES_DB": ""})
    with pytest.raises(SettingsError, match="POSTGRES_PORT"):
        loader.engine_from(
            dict.fromkeys(
                ("POSTGRES_HOST", "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"), "x"
            )
            | {"POSTGRES_PORT": "many"}
        )


def test_a_folder_that_holds_nothing_or_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to load"):
        find_files([tmp_path])
    with pytest.raises(DataError, match="no file or folder"):
        find_files([tmp_path / "absent"])
    (tmp_path / "other.parquet").touch()
    with pytest.raises(DataError, match="No source is called other"):
        find_files([tmp_path])


def test_the_command_loads_a_folder_and_refuses_the_second_time(
    engine: Engine, schema: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    companies(tmp_path, {})
    assert loader.main([str(tmp_path)]) == 0
    assert "cnpj_ws.parquet: 1 rows loaded" in capsys.readouterr().out
    assert loader.main([str(tmp_path)]) == 1
    assert "already holds rows" in capsys.readouterr().err
    assert loader.main([str(tmp_path), "--replace"]) == 0
    assert len(stored(engine, schema)) == 1
