"""What differs between a source and its bronze is found by value, and nothing else is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import psycopg2.extras
import pyarrow as pa
import pytest

from credix.capture import predicates
from credix.capture.compare import value_comparison as step
from credix.capture.compare.value_comparison import Comparison
from credix.capture.source_table import SourceTable
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.postgres.connection import SourceConnection
from credix.core import source_sql
from credix.core.masking import mask_middle
from credix.core.settings import Settings
from credix.warehouse.cycle import extract, land, load
from tests.runs_by_hand import begin, carry, commit
from tests.tables import Table

KEYS = [f"a{number:04d}" for number in range(300)]


class Bronze:
    """The installments carried to bronze, and somebody who edits bronze by hand."""

    def __init__(self, settings: Settings, warehouse: Warehouse, table: Table) -> None:
        self.settings, self.warehouse, self.table = settings, warehouse, table
        self.name = f"`{warehouse.table_id('bronze', table.source.name)}`"
        self.run = begin(settings, table.source.name)

    def edit(self, sql: str) -> None:
        self.warehouse.query(sql.replace("{bronze}", self.name))

    def copy(self, key: str, **changes: str) -> None:
        """A second row like that of the key, with these expressions in the place of its values."""
        columns = self.warehouse.columns("bronze", self.table.source.name) or []
        values = ", ".join(changes.get(c.name, f"`{c.name}`") for c in columns)
        names = ", ".join(f"`{column.name}`" for column in columns)
        keyed = f"`{self.table.source.key[0]}` = '{key}'"
        self.edit(f"INSERT INTO {{bronze}} ({names}) SELECT {values} FROM {{bronze}} WHERE {keyed}")

    def key_hashes(self, *keys: str) -> list[int]:
        column, hashed = self.table.source.key[0], source_sql.key_hash_sql(self.table.source)
        with self.table.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {hashed} FROM {self.table.name} WHERE {column} = ANY (%s)", [list(keys)]
            )
            return sorted(found for (found,) in cursor.fetchall())

    def compare(self) -> Comparison:
        """Against the source as it is now; pending is what was written since the watermark."""
        watermark = self.run.watermark
        assert watermark is not None
        with SourceConnection(self.settings) as connection:
            SourceTable(connection, self.run.source).take_snapshot()
            pending = predicates.changed_sql(self.run.source, watermark)
            return step.compare(self.run, connection, pending, self.run.attempt)


def fill(table: Table) -> None:
    rows = [(*({**table.row, "asset_id": key}.values()),) for key in KEYS]
    with table.connection.cursor() as cursor:
        sql = f"INSERT INTO {table.name} ({', '.join(table.row)}) VALUES %s"
        psycopg2.extras.execute_values(cursor, sql, rows)


@pytest.fixture
def bronze(settings: Settings, tables: dict[str, Table], warehouse: Warehouse) -> Bronze:
    """300 installments, equal on both sides; a copy of the loaded table does for the merge."""
    table = tables["installments"]
    fill(table)
    run = begin(settings, "installments")
    extracted = extract(run)
    land(run)
    loaded = f"`{warehouse.table_id('temp', load(run).temp_table)}`"
    bronze = f"`{warehouse.table_id('bronze', 'installments')}`"
    warehouse.query(f"CREATE TABLE {bronze} AS SELECT * FROM {loaded}")
    commit(run, extracted)
    return Bronze(settings, warehouse, table)


def counts(**found: int) -> dict[str, int]:
    return {**dict.fromkeys(step.KINDS, 0), **found}


class TestCompare:
    def test_equal_tables_are_equal(self, bronze: Bronze) -> None:
        comparison = bronze.compare()
        assert comparison.is_equal
        assert comparison.counts == counts()
        assert (comparison.source_rows, comparison.bronze_rows) == (300, 300)

    def test_every_edit_of_bronze_is_found_and_nothing_else(self, bronze: Bronze) -> None:
        bronze.edit("DELETE FROM {bronze} WHERE asset_id IN ('a0001', 'a0002')")
        bronze.edit("UPDATE {bronze} SET installment_count = 99 WHERE asset_id = 'a0003'")
        bronze.edit("UPDATE {bronze} SET due_date = NULL WHERE asset_id = 'a0004'")
        bronze.edit("UPDATE {bronze} SET payment_method = 'BOLETO ' WHERE asset_id = 'a0005'")
        bronze.copy("a0006", asset_id="'made up'", _key_hash="4711")
        bronze.copy("a0007")
        comparison = bronze.compare()
        assert not comparison.is_equal
        assert comparison.counts == counts(missing=2, altered=3, surplus=1, duplicates=1)
        assert comparison.missing.dtype == comparison.altered.dtype == np.int64
        assert sorted(comparison.missing) == bronze.key_hashes("a0001", "a0002")
        assert sorted(comparison.altered) == bronze.key_hashes("a0003", "a0004", "a0005")
        assert comparison.surplus.to_pylist() == [{"asset_id": "made up", "_key_hash": 4711}]
        (duplicate,) = comparison.duplicates.to_pylist()
        assert duplicate == {"asset_id": "a0007", "_key_hash": bronze.key_hashes("a0007")[0]}
        assert comparison.surplus.schema.types == [pa.string(), pa.int64()]

    def test_a_duplicate_with_another_value_is_altered_too(self, bronze: Bronze) -> None:
        for key in KEYS[:6]:
            bronze.copy(key, installment_count="99")
        assert bronze.compare().counts == counts(altered=6, duplicates=6)

    def test_values_that_change_places_within_a_bucket_are_found(self, bronze: Bronze) -> None:
        other = "CASE asset_id WHEN 'a0001' THEN 7 ELSE 8 END"
        bronze.edit(f"UPDATE {{bronze}} SET installment_number = {other} WHERE asset_id < 'a0003'")
        assert bronze.compare().counts == counts(altered=3)

    def test_what_was_written_since_the_watermark_is_pending(self, bronze: Bronze) -> None:
        bronze.table.insert(asset_id="a9999")
        bronze.table.execute(
            "UPDATE {table} SET paid_date = due_date WHERE asset_id IN ('a0001', 'a0002')"
        )
        bronze.edit("DELETE FROM {bronze} WHERE asset_id = 'a0003'")
        comparison = bronze.compare()
        assert comparison.counts == counts(missing=1, pending=3)
        assert sorted(comparison.missing) == bronze.key_hashes("a0003")

    def test_only_pending_rows_leave_it_equal(self, bronze: Bronze) -> None:
        bronze.table.insert(asset_id="a9999")
        assert bronze.compare().is_equal

    def test_a_row_deleted_in_the_source_is_surplus(self, bronze: Bronze) -> None:
        (key_hash,) = bronze.key_hashes("a0001")
        bronze.table.execute("DELETE FROM {table} WHERE asset_id = 'a0001'")
        assert bronze.compare().surplus.to_pylist() == [
            {"asset_id": "a0001", "_key_hash": key_hash}
        ]

    def test_a_tombstone_is_not_live(self, bronze: Bronze) -> None:
        bronze.edit("UPDATE {bronze} SET _is_deleted = TRUE WHERE asset_id = 'a0001'")
        assert bronze.compare().counts == counts(missing=1)

    @pytest.mark.parametrize("chunk_rows", [1, 50, 100_000])
    def test_rows_come_in_chunks_of_any_size(
        self, bronze: Bronze, monkeypatch: pytest.MonkeyPatch, chunk_rows: int
    ) -> None:
        monkeypatch.setattr(step, "CHUNK_ROWS", chunk_rows)
        bronze.edit("UPDATE {bronze} SET installment_count = 99 WHERE asset_id < 'a0100'")
        bronze.edit("DELETE FROM {bronze} WHERE asset_id >= 'a0200'")
        comparison = bronze.compare()
        assert comparison.counts == counts(altered=100, missing=100)
        assert sorted(comparison.altered) == bronze.key_hashes(*KEYS[:100])

    def test_a_key_of_several_columns_is_one_key(self, bronze: Bronze) -> None:
        source = replace(bronze.run.source, key=("invoice_id", "asset_id"))
        bronze.run = replace(bronze.run, contract=source)
        bronze.table.source = source
        assert bronze.compare().is_equal
        bronze.edit("DELETE FROM {bronze} WHERE asset_id = 'a0001'")
        bronze.edit("UPDATE {bronze} SET invoice_id = 'another' WHERE asset_id = 'a0002'")
        comparison = bronze.compare()
        assert comparison.counts == counts(missing=2, surplus=1)
        (surplus,) = comparison.surplus.select(["invoice_id", "asset_id"]).to_pylist()
        assert surplus == {"invoice_id": "another", "asset_id": "a0002"}
        assert comparison.examples["surplus"] == ["an…er/a0…02"]

    def test_an_empty_bronze_lacks_everything(self, bronze: Bronze) -> None:
        bronze.edit("DELETE FROM {bronze} WHERE TRUE")
        assert bronze.compare().counts == counts(missing=300)

    def test_an_empty_source_makes_everything_surplus(self, bronze: Bronze) -> None:
        bronze.table.execute("TRUNCATE {table}")
        assert bronze.compare().counts == counts(surplus=300)

    def test_companies_are_compared_by_all_their_types(
        self, settings: Settings, tables: dict[str, Table], warehouse: Warehouse
    ) -> None:
        table = tables["cnpj_ws"]
        table.insert(cnpj="11222333000181")
        table.insert(cnpj="11222333000262", share_capital="0.000000001", city=None)
        table.insert(cnpj="11222333000343", updated_at="9999-12-31 23:59:59.999999+00")
        carry(settings, "cnpj_ws")
        bronze = Bronze(settings, warehouse, table)
        assert bronze.compare().counts == counts()
        edits = {"11222333000181": "share_capital = share_capital + NUMERIC '0.000000001'"}
        edits["11222333000343"] = "updated_at = TIMESTAMP '9999-12-31 23:59:59.999998+00'"
        for key, edit in edits.items():
            bronze.edit(f"UPDATE {{bronze}} SET {edit} WHERE cnpj = '{key}'")
        comparison = bronze.compare()
        assert comparison.counts == counts(altered=2)
        assert sorted(comparison.altered) == bronze.key_hashes(*edits)


class TestTable:
    def test_has_a_line_per_kind_with_masked_keys(self, bronze: Bronze) -> None:
        bronze.edit("DELETE FROM {bronze} WHERE asset_id < 'a0010'")
        frame: pd.DataFrame = bronze.compare().table()
        assert list(frame["difference"]) == list(step.KINDS)
        assert list(frame["keys"]) == [10, 0, 0, 0, 0]
        examples = frame["for example"][0].split(", ")
        assert len(examples) == step.EXAMPLES
        assert {key[:3] for key in examples} == {"a0…"}

    @pytest.mark.parametrize(
        ("text", "masked"), [("11222333000181", "11…81"), ("a1234", "a1…34"), ("a123", "…")]
    )
    def test_a_key_is_masked_but_for_its_ends(self, text: str, masked: str) -> None:
        assert mask_middle(text) == masked


@pytest.mark.parametrize(
    ("rows", "buckets"),
    [(0, 16), (1_000, 16), (1_024, 32), (200_000, 4_096), (10_000_000, 2**18), (10**12, 2**20)],
)
def test_buckets_are_a_power_of_two_near_a_64th_of_the_rows(rows: int, buckets: int) -> None:
    assert step.bucket_count(rows) == buckets
    assert buckets & (buckets - 1) == 0
