"""Change capture and bad input, against a real PostgreSQL."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from credix.capture.delta import write_delta
from credix.core.errors import (
    CredixError,
    DataError,
    DiskError,
    SourceError,
    StepError,
    TransientError,
)
from credix.core.settings import Settings
from credix.state.states import SourceState
from credix.warehouse import landing as land_step
from credix.warehouse.cycle import extract
from tests.conftest import connected
from tests.known import known
from tests.roles import ordinary_role
from tests.runs_by_hand import begin, keys_of, read_changes, rows_of
from tests.tables import COMPANY, Table

SECRET_ROW = "Nome Que Ninguem Deve Ler"


@pytest.fixture
def installments(tables: dict[str, Table]) -> Table:
    return tables["installments"]


@pytest.fixture
def companies(tables: dict[str, Table]) -> Table:
    return tables["cnpj_ws"]


@pytest.fixture
def other(settings: Settings, installments: Table) -> Iterator[Table]:
    """The installments in the hands of a second session, which commits when it is told to."""
    connection = connected(settings)
    yield Table(connection, settings.postgres_schema, installments.source)
    connection.close()


@pytest.fixture
def role(settings: Settings, installments: Table) -> Iterator[Settings]:
    """Settings of an ordinary role that may use the schema and nothing else."""
    with ordinary_role(settings, installments) as role:
        yield role


def changed(settings: Settings, capture: Any = "row_version") -> list[str]:
    """The installments that the next run reads."""
    return keys_of(read_changes(settings, "installments", capture), "asset_id")


def refusal(settings: Settings, source: str, error: type[CredixError], *words: str) -> str:
    """The error's text, after it was checked: it says these words, and nothing that it must not."""
    run = begin(settings, source)
    with pytest.raises(error) as raised:
        extract(run)
    text = str(raised.value)
    for word in words:
        assert word in text
    assert SECRET_ROW not in text
    assert settings.postgres_password.get_secret_value() not in text
    assert "\n" not in text
    with pytest.raises(StepError, match="run that notebook first"):
        land_step.check_parts(run)
    return text


class TestRowVersion:
    def test_the_first_run_reads_everything(self, settings: Settings, installments: Table) -> None:
        installments.insert(asset_id="a1")
        installments.insert(asset_id="a2")
        extracted = read_changes(settings, "installments")
        assert keys_of(extracted, "asset_id") == ["a1", "a2"]
        assert extracted.status == "done"
        assert extracted.predicate == "full read: there is no watermark yet"

    def test_the_second_run_reads_only_what_changed(
        self, settings: Settings, installments: Table
    ) -> None:
        installments.insert(asset_id="a1")
        installments.insert(asset_id="a2")
        read_changes(settings, "installments")
        installments.insert(asset_id="a3")
        installments.execute("UPDATE {table} SET due_date = '2024-05-01' WHERE asset_id = 'a1'")
        assert changed(settings) == ["a1", "a3"]

    def test_a_run_without_changes_is_quiet_and_keeps_what_is_committed(
        self, settings: Settings, installments: Table
    ) -> None:
        installments.insert()
        first = begin(settings, "installments")
        extract(first)
        read_changes(settings, "installments")
        extracted = read_changes(settings, "installments")
        assert (extracted.status, extracted.rows, extracted.parts) == ("no_changes", 0, ())
        state = first.states.read_source("installments")
        assert (state.attempt, state.committed_seq) == (3, 2)

    def test_an_empty_table_is_read_without_parts(
        self, settings: Settings, installments: Table
    ) -> None:
        extracted = read_changes(settings, "installments")
        assert (extracted.status, extracted.rows) == ("no_changes", 0)
        installments.insert()
        assert changed(settings) == ["a1"]

    def test_a_transaction_open_across_the_snapshot_is_not_lost(
        self, settings: Settings, installments: Table, other: Table
    ) -> None:
        other.insert(asset_id="early")
        installments.insert(asset_id="late")
        assert changed(settings) == ["late"]
        other.connection.commit()
        assert changed(settings) == ["early"]

    def test_rows_of_a_savepoint_are_not_lost(
        self, settings: Settings, installments: Table, other: Table
    ) -> None:
        other.insert(asset_id="outer")
        other.execute("SAVEPOINT inner_one")
        other.insert(asset_id="inner")
        other.execute("SAVEPOINT inner_two")
        other.insert(asset_id="undone")
        other.execute("ROLLBACK TO SAVEPOINT inner_two")
        installments.insert(asset_id="between")
        assert changed(settings) == ["between"]
        other.connection.commit()
        assert changed(settings) == ["inner", "outer"]

    def test_rereads_of_an_open_transaction_are_dropped_and_the_run_is_quiet(
        self, settings: Settings, installments: Table, other: Table
    ) -> None:
        other.insert(asset_id="open")
        installments.insert(asset_id="a1")
        assert changed(settings) == ["a1"]
        again = read_changes(settings, "installments")
        assert (again.status, again.rows, again.dropped_rows) == ("no_changes", 0, 1)
        other.connection.rollback()

    def test_a_reread_row_that_changed_is_read_again(
        self, settings: Settings, installments: Table, other: Table
    ) -> None:
        other.insert(asset_id="open")
        installments.insert(asset_id="a1")
        installments.insert(asset_id="a2")
        assert changed(settings) == ["a1", "a2"]
        installments.execute("UPDATE {table} SET payment_method = 'PIX' WHERE asset_id = 'a2'")
        assert changed(settings) == ["a2"]
        other.connection.rollback()

    def test_a_row_that_changed_back_is_read_again(
        self, settings: Settings, installments: Table, other: Table
    ) -> None:
        other.insert(asset_id="open")
        installments.insert(asset_id="a1", payment_method="BOLETO")
        changed(settings)
        installments.execute("UPDATE {table} SET payment_method = 'PIX'")
        assert changed(settings) == ["a1"]
        installments.execute("UPDATE {table} SET payment_method = 'BOLETO'")
        assert changed(settings) == ["a1"]
        other.connection.rollback()

    @pytest.mark.parametrize(
        "update",
        [
            pytest.param("payment_method = 'PIX'", id="a silent update"),
            pytest.param("paid_date = NULL", id="a cleared value"),
            pytest.param("paid_date = '2019-01-01'", id="a backdated value"),
        ],
    )
    def test_an_update_that_no_date_tells_of_is_read(
        self, settings: Settings, installments: Table, update: str
    ) -> None:
        installments.insert(asset_id="a1", paid_date=date(2024, 2, 2))
        installments.insert(asset_id="a2", paid_date=date(2024, 2, 2))
        read_changes(settings, "installments")
        installments.execute(f"UPDATE {{table}} SET {update} WHERE asset_id = 'a1'")
        assert changed(settings) == ["a1"]

    def test_a_new_partition_is_read_in_full(self, settings: Settings, installments: Table) -> None:
        table = installments
        table.execute("ALTER TABLE {table} RENAME TO old_rows")
        old_rows = f"{settings.postgres_schema}.old_rows"
        table.execute(f"CREATE TABLE {{table}} (LIKE {old_rows}) PARTITION BY RANGE (asset_id)")
        table.execute("ALTER TABLE {table} ADD PRIMARY KEY (asset_id)")
        table.execute("CREATE TABLE {table}_b PARTITION OF {table} FOR VALUES FROM ('b') TO ('c')")
        table.execute(f"INSERT INTO {old_rows} (asset_id) VALUES ('a1'), ('a2')")
        table.insert(asset_id="b1")
        assert changed(settings) == ["b1"]
        table.execute(
            f"ALTER TABLE {{table}} ATTACH PARTITION {old_rows} FOR VALUES FROM ('a') TO ('b')"
        )
        extracted = read_changes(settings, "installments")
        assert keys_of(extracted, "asset_id") == ["a1", "a2"]
        assert "1 new relation" in extracted.predicate
        assert changed(settings) == []

    def test_a_table_that_took_the_name_is_read_in_full(
        self, settings: Settings, installments: Table
    ) -> None:
        schema = settings.postgres_schema
        installments.execute(f"CREATE TABLE {schema}.next (LIKE {{table}} INCLUDING ALL)")
        installments.execute(f"INSERT INTO {schema}.next (asset_id) VALUES ('n1')")
        installments.insert(asset_id="a1")
        assert changed(settings) == ["a1"]
        installments.execute("ALTER TABLE {table} RENAME TO previous")
        installments.execute(f"ALTER TABLE {schema}.next RENAME TO {installments.source.table}")
        assert changed(settings) == ["n1"]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (
                lambda state: {
                    "server": state.server.model_copy(update={"system_identifier": "1"})
                },
                "the server or its timeline",
            ),
            (
                lambda state: {"server": state.server.model_copy(update={"major_version": 14})},
                "major version",
            ),
            (lambda _: {"fingerprint": "0" * 16}, "the contract has changed"),
            (
                lambda state: {
                    "watermark": state.watermark.model_copy(update={"row_version": 1 << 62})
                },
                "went back",
            ),
        ],
        ids=["another server", "another major version", "another contract", "a restored server"],
    )
    def test_a_worthless_watermark_means_a_full_read(
        self,
        settings: Settings,
        installments: Table,
        change: Callable[[SourceState], dict[str, Any]],
        reason: str,
    ) -> None:
        installments.insert()
        read_changes(settings, "installments")
        begin(settings, "installments").states.change_source(
            "state.test", "installments", lambda state: state.model_copy(update=change(state))
        )
        extracted = read_changes(settings, "installments")
        assert keys_of(extracted, "asset_id") == ["a1"]
        assert extracted.predicate.startswith("full read: ")
        assert reason in extracted.predicate

    def test_rows_are_read_as_of_one_snapshot(
        self, settings: Settings, installments: Table
    ) -> None:
        from credix.capture import extract as step

        installments.insert(asset_id="a1")
        run = begin(settings, "installments")
        with step.connect(run) as connection:
            snapshot = step.take_snapshot(run, connection)
            installments.insert(asset_id="afterwards")
            plan = step.plan_delta(run, connection, snapshot)
            delta = write_delta(run, connection, snapshot, plan)
            extracted = step.finish(run, snapshot, plan, delta, "")
        assert keys_of(extracted, "asset_id") == ["a1"]

    def test_a_repeated_extract_of_the_same_run_replaces_its_parts(
        self, settings: Settings, installments: Table
    ) -> None:
        installments.insert()
        run = begin(settings, "installments")
        extract(run)
        extracted = extract(run)
        on_disk = sorted(str(path) for path in (run.source_folder / "parts").iterdir())
        assert on_disk == [part.path for part in extracted.parts]


class TestCursor:
    def test_rows_of_the_last_day_are_read_again_and_dropped_when_unchanged(
        self, settings: Settings, installments: Table
    ) -> None:
        installments.insert(asset_id="a1", invoice_issue_date=date(2024, 1, 10))
        installments.insert(asset_id="a0", invoice_issue_date=date(2024, 1, 9))
        assert changed(settings, "cursor") == ["a0", "a1"]
        again = read_changes(settings, "installments", "cursor")
        assert (again.status, again.rows, again.dropped_rows) == ("no_changes", 0, 1)

    def test_a_row_written_later_on_the_last_day_is_read(
        self, settings: Settings, installments: Table
    ) -> None:
        installments.insert(asset_id="a1", invoice_issue_date=date(2024, 1, 10))
        changed(settings, "cursor")
        installments.insert(asset_id="a2", invoice_issue_date=date(2024, 1, 10))
        assert changed(settings, "cursor") == ["a2"]

    def test_a_row_without_any_date_is_read(self, settings: Settings, installments: Table) -> None:
        installments.insert(asset_id="a1")
        changed(settings, "cursor")
        installments.insert(asset_id="undated", invoice_issue_date=None, paid_date=None)
        assert changed(settings, "cursor") == ["undated"]
        assert changed(settings, "cursor") == []

    def test_one_missing_date_does_not_hide_the_other(
        self, settings: Settings, installments: Table
    ) -> None:
        installments.insert(asset_id="a1")
        changed(settings, "cursor")
        installments.insert(asset_id="paid", invoice_issue_date=None, paid_date=date(2024, 3, 1))
        assert changed(settings, "cursor") == ["paid"]
        assert changed(settings, "cursor") == []

    @pytest.mark.parametrize("column", ["due_date", "paid_date", "invoice_issue_date"])
    def test_a_day_in_the_future_does_not_move_the_watermark_there(
        self, settings: Settings, installments: Table, column: str
    ) -> None:
        today = datetime.now(ZoneInfo(settings.timezone)).date()
        installments.insert(asset_id="a1")
        installments.execute(f"UPDATE {{table}} SET {column} = '2999-12-31'")
        extracted = read_changes(settings, "installments", "cursor")
        assert known(known(extracted.watermark_to).cursor) <= today.isoformat()
        installments.insert(asset_id="a2", paid_date=today)
        assert changed(settings, "cursor") == ["a2"]

    @pytest.mark.parametrize("day", ["infinity", "-infinity", "10000-01-01", "0044-03-15 BC"])
    def test_a_day_that_bigquery_cannot_hold_is_refused_by_name(
        self, settings: Settings, installments: Table, day: str
    ) -> None:
        installments.insert(asset_id="a1")
        installments.execute(f"UPDATE {{table}} SET paid_date = '{day}'")
        run = begin(settings, "installments", "cursor")
        with pytest.raises(DataError, match="column paid_date"):
            extract(run)

    def test_the_watermark_never_goes_back(self, settings: Settings, installments: Table) -> None:
        installments.insert(asset_id="a1", invoice_issue_date=date(2024, 1, 10))
        first = read_changes(settings, "installments", "cursor")
        installments.execute("DELETE FROM {table}")
        installments.insert(asset_id="a0", invoice_issue_date=date(2023, 1, 10))
        second = read_changes(settings, "installments", "cursor")
        assert known(second.watermark_to).cursor == known(first.watermark_to).cursor == "2024-01-10"

    def test_the_watermark_is_held_back_to_the_oldest_open_transaction(
        self, settings: Settings, companies: Table
    ) -> None:
        connection = connected(settings)
        late = Table(connection, settings.postgres_schema, companies.source)
        late.insert(cnpj="late")
        late.execute("UPDATE {table} SET updated_at = now() WHERE cnpj = 'late'")
        companies.insert(cnpj="early")
        companies.execute("UPDATE {table} SET updated_at = clock_timestamp()")
        assert keys_of(read_changes(settings, "cnpj_ws", "cursor"), "cnpj") == ["early"]
        connection.commit()
        connection.close()
        assert keys_of(read_changes(settings, "cnpj_ws", "cursor"), "cnpj") == ["late"]

    def test_it_says_which_histories_it_may_miss(
        self, settings: Settings, installments: Table
    ) -> None:
        installments.insert(asset_id="a1")
        first = read_changes(settings, "installments", "cursor")
        installments.insert(asset_id="a2", invoice_issue_date=date(2024, 1, 11))
        changed(settings, "cursor")
        installments.execute("UPDATE {table} SET payment_method = 'PIX' WHERE asset_id = 'a1'")
        assert changed(settings, "cursor") == []
        assert not first.lossless
        assert "an update that touches no cursor column is not seen" in first.missed_histories

    def test_a_role_that_sees_no_transactions_holds_back_by_the_lag(
        self, settings: Settings, installments: Table, role: Settings
    ) -> None:
        installments.execute(f"GRANT SELECT ON {{table}} TO {role.postgres_user}")
        today = datetime.now(ZoneInfo(settings.timezone)).date()
        installments.insert(asset_id="a1", paid_date=today)
        two_days = role.model_copy(update={"cursor_lag_seconds": 2 * 86_400})
        extracted = read_changes(two_days, "installments", "cursor")
        assert (
            known(known(extracted.watermark_to).cursor) <= (today - timedelta(days=1)).isoformat()
        )
        assert any("longer than the lag" in missed for missed in extracted.missed_histories)


class TestValues:
    def test_every_value_arrives_exactly(self, settings: Settings, companies: Table) -> None:
        rows: list[dict[str, Any]] = [
            {"cnpj": "plain"},
            {"cnpj": "null", "legal_name": None, "share_capital": None, "created_at": None},
            {"cnpj": "empty", "legal_name": "", "email": " "},
            {"cnpj": "unicode", "legal_name": "Ação 東京 🧾 \u202e ﷽", "city": "\ufeffe\u0301"},
            {"cnpj": "quotes", "legal_name": "a\nb\r\n\t\"c\" 'd' \\N \\ ,;"},
            {"cnpj": "exact", "share_capital": Decimal("1E-9")},
            {"cnpj": "large", "share_capital": Decimal("9" * 29 + "." + "9" * 9)},
            {"cnpj": "negative", "share_capital": Decimal("-" + "9" * 29 + "." + "9" * 9)},
            {"cnpj": "first", "opening_date": date(1, 1, 1)},
            {"cnpj": "last", "opening_date": date(9999, 12, 31)},
            {"cnpj": "first instant", "created_at": datetime(1, 1, 1, tzinfo=UTC)},
            {
                "cnpj": "last instant",
                "created_at": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            },
        ]
        companies.execute("SET TIME ZONE 'UTC'")
        for row in rows:
            companies.insert(**row)
        read = {row["cnpj"]: row for row in rows_of(read_changes(settings, "cnpj_ws"))}
        names = companies.source.column_names
        assert {key: {name: row[name] for name in names} for key, row in read.items()} == (
            companies.rows()
        )

    def test_whole_numbers_keep_all_64_bits(self, settings: Settings, installments: Table) -> None:
        installments.insert(asset_id="least", expected_amount_in_cents=-(1 << 63))
        installments.insert(asset_id="greatest", expected_amount_in_cents=(1 << 63) - 1)
        read = {row["asset_id"]: row for row in rows_of(read_changes(settings, "installments"))}
        assert read["least"]["expected_amount_in_cents"] == -(1 << 63)
        assert read["greatest"]["expected_amount_in_cents"] == (1 << 63) - 1

    def test_columns_of_related_types_are_read(
        self, settings: Settings, installments: Table
    ) -> None:
        identifier = "0b8a3f0e-2f51-4a7e-9d0b-6f1f5a3f9a10"
        installments.execute(
            "ALTER TABLE {table} ALTER asset_id TYPE uuid USING asset_id::uuid, "
            "ALTER invoice_id TYPE varchar(20), ALTER payment_method TYPE char(8), "
            "ALTER installment_number TYPE smallint, ALTER installment_count TYPE integer"
        )
        installments.insert(asset_id=identifier, installment_number=-32768)
        (row,) = rows_of(read_changes(settings, "installments"))
        assert row["asset_id"] == identifier
        assert (row["installment_number"], row["installment_count"]) == (-32768, 1)
        assert (row["invoice_id"], row["payment_method"]) == ("i1", "BOLETO")

    def test_every_row_carries_the_technical_columns(
        self, settings: Settings, installments: Table
    ) -> None:
        installments.insert(asset_id="a1")
        installments.insert(asset_id="a2")
        run = begin(settings, "installments")
        extracted = extract(run)
        rows = rows_of(extracted)
        assert {row["_seq"] for row in rows} == {run.attempt}
        assert {row["_extracted_at"] for row in rows} == {extracted.snapshot_at}
        assert not any(row["_is_deleted"] or row["_deleted_at"] for row in rows)
        assert (
            len({row["_key_hash"] for row in rows}) == len({row["_row_hash"] for row in rows}) == 2
        )
        (part,) = extracted.parts
        assert {part.object_name.startswith(row["_source_file"]) for row in rows} == {True}


BAD_VALUES = [
    ("share_capital", "1" * 40, "NUMERIC"),
    ("share_capital", "0.0000000001", "NUMERIC"),
    ("share_capital", "NaN", "NUMERIC"),
    ("share_capital", "Infinity", "NUMERIC"),
    ("share_capital", "-Infinity", "NUMERIC"),
    ("opening_date", "infinity", "DATE"),
    ("opening_date", "-infinity", "DATE"),
    ("opening_date", "10000-01-01", "DATE"),
    ("opening_date", "0044-03-15 BC", "DATE"),
    ("created_at", "infinity", "TIMESTAMP"),
    ("created_at", "-infinity", "TIMESTAMP"),
    ("created_at", "10000-01-01 00:00:00+00", "TIMESTAMP"),
    ("created_at", "0044-03-15 00:00:00+00 BC", "TIMESTAMP"),
]


class TestBadInput:
    @pytest.mark.parametrize(("column", "value", "kind"), BAD_VALUES)
    def test_a_value_that_bigquery_cannot_hold_is_refused(
        self, settings: Settings, companies: Table, column: str, value: str, kind: str
    ) -> None:
        companies.insert(legal_name=SECRET_ROW)
        companies.execute(f"UPDATE {{table}} SET {column} = '{value}'")
        text = refusal(
            settings, "cnpj_ws", DataError, "business_case_cnpj_ws", column, kind, "Correct it"
        )
        assert value not in text.replace("(NaN or", "")

    def test_a_missing_table(self, settings: Settings, installments: Table) -> None:
        installments.execute("DROP TABLE {table}")
        refusal(
            settings,
            "installments",
            SourceError,
            installments.name,
            "does not exist",
            "sources.yml",
        )

    def test_a_missing_schema(self, settings: Settings) -> None:
        refusal(settings, "installments", SourceError, "does not exist", "POSTGRES_SCHEMA")

    def test_a_missing_column(self, settings: Settings, installments: Table) -> None:
        installments.execute("ALTER TABLE {table} RENAME due_date TO falls_due")
        refusal(settings, "installments", SourceError, installments.name, "due_date", "contract")

    def test_a_column_of_another_type(self, settings: Settings, installments: Table) -> None:
        installments.execute("ALTER TABLE {table} ALTER expected_amount_in_cents TYPE text")
        refusal(
            settings,
            "installments",
            SourceError,
            installments.name,
            "expected_amount_in_cents is text, the contract says INTEGER",
        )

    def test_a_column_that_the_contract_lacks_is_shown_and_not_carried(
        self, settings: Settings, installments: Table
    ) -> None:
        from credix.capture import extract as step

        installments.execute("ALTER TABLE {table} ADD note text")
        installments.insert()
        run = begin(settings, "installments")
        with step.connect(run) as connection:
            checked, _ = step.check_source(run, connection)
        assert checked.iloc[-1].tolist() == ["note", "(not in the contract)", "text"]
        run = replace(run, contract=replace(run.source, drift="evolve"))
        extracted = extract(run)
        assert "note" not in rows_of(extracted)[0]
        assert "a new column note (text), which is not replicated" in extracted.messages[0]

    def test_a_column_that_the_contract_lacks_stops_a_run_that_may_not_evolve(
        self, settings: Settings, installments: Table
    ) -> None:
        installments.execute("ALTER TABLE {table} ADD note text")
        refusal(settings, "installments", SourceError, "note (text)", "Nothing was written")

    def test_a_column_that_is_ignored_on_purpose_is_not_mentioned(
        self, settings: Settings, installments: Table
    ) -> None:
        installments.execute("ALTER TABLE {table} ADD note text")
        installments.insert()
        run = begin(settings, "installments")
        run = replace(run, contract=replace(run.source, ignored=frozenset({"note"})))
        extracted = extract(run)
        assert (extracted.rows, extracted.messages) == (1, ())

    def test_a_column_dropped_and_added_again_leads_to_a_full_read(
        self, settings: Settings, installments: Table
    ) -> None:
        installments.insert()
        read_changes(settings, "installments")
        installments.execute("ALTER TABLE {table} DROP invoice_id")
        installments.execute("ALTER TABLE {table} ADD invoice_id text DEFAULT 'silent'")
        extracted = read_changes(settings, "installments")
        assert [row["invoice_id"] for row in rows_of(extracted)] == ["silent"]
        assert "dropped and added again" in extracted.predicate

    def test_a_table_that_somebody_keeps_locked_is_not_waited_for_for_ever(
        self, settings: Settings, installments: Table
    ) -> None:
        with connected(settings) as blocker, blocker.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {installments.name} IN ACCESS EXCLUSIVE MODE")
            impatient = settings.model_copy(update={"retry_seconds": 0.1})
            refusal(impatient, "installments", TransientError, "locked by another transaction")

    def test_no_privilege_on_the_table(self, role: Settings, installments: Table) -> None:
        refusal(role, "installments", SourceError, installments.name, role.postgres_user, "SELECT")

    def test_no_privilege_on_the_schema(self, role: Settings, installments: Table) -> None:
        installments.execute(f"GRANT SELECT ON {{table}} TO {role.postgres_user}")
        installments.execute(
            f"REVOKE USAGE ON SCHEMA {role.postgres_schema} FROM {role.postgres_user}"
        )
        refusal(role, "installments", SourceError, installments.name, "USAGE")

    def test_a_grant_on_some_columns(self, role: Settings, installments: Table) -> None:
        installments.execute(f"GRANT SELECT (asset_id) ON {{table}} TO {role.postgres_user}")
        refusal(role, "installments", SourceError, installments.name, "SELECT on the whole table")

    def test_an_ordinary_role_with_its_grants_reads_everything(
        self, role: Settings, installments: Table
    ) -> None:
        installments.execute(f"GRANT SELECT ON {{table}} TO {role.postgres_user}")
        installments.insert()
        assert changed(role) == ["a1"]

    def test_a_row_security_policy(self, role: Settings, installments: Table) -> None:
        installments.insert()
        installments.execute(f"GRANT SELECT ON {{table}} TO {role.postgres_user}")
        installments.execute("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        installments.execute("CREATE POLICY hide ON {table} USING (false)")
        refusal(
            role, "installments", SourceError, "policy", "business_case_installments", "BYPASSRLS"
        )

    def test_a_view(self, settings: Settings, installments: Table) -> None:
        installments.execute("ALTER TABLE {table} RENAME TO behind")
        installments.execute(
            f"CREATE VIEW {{table}} AS SELECT * FROM {settings.postgres_schema}.behind"
        )
        refusal(settings, "installments", SourceError, f"{installments.name} is a view", "Name the")

    def test_a_foreign_table(self, settings: Settings, installments: Table) -> None:
        name = settings.postgres_schema
        installments.execute("DROP TABLE {table}")
        installments.execute(f"CREATE FOREIGN DATA WRAPPER {name}")
        try:
            installments.execute(f"CREATE SERVER {name} FOREIGN DATA WRAPPER {name}")
            installments.execute(f"CREATE FOREIGN TABLE {{table}} (asset_id text) SERVER {name}")
            refusal(settings, "installments", SourceError, "is a foreign table", "Name the table")
        finally:
            installments.execute(f"DROP FOREIGN DATA WRAPPER {name} CASCADE")

    def test_a_server_that_does_not_answer(self, settings: Settings) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        down = settings.model_copy(update={"postgres_port": port})
        refusal(down, "installments", TransientError, f"127.0.0.1:{port}", "run again")

    def test_a_wrong_password(self, settings: Settings) -> None:
        wrong = settings.model_copy(update={"postgres_password": SecretStr("not the password")})
        refusal(wrong, "installments", SourceError, "POSTGRES_USER and POSTGRES_PASSWORD")

    def test_a_database_that_does_not_exist(self, settings: Settings) -> None:
        wrong = settings.model_copy(update={"postgres_db": "nowhere"})
        refusal(wrong, "installments", SourceError, "nowhere", "does not exist")

    def test_a_key_that_is_not_unique(self, settings: Settings, installments: Table) -> None:
        drop_key(installments)
        for _ in range(3):
            installments.insert(asset_id=SECRET_ROW)
        refusal(
            settings,
            "installments",
            SourceError,
            installments.name,
            "(asset_id)",
            "0 rows without a key",
            "2 rows with a key that another row has",
        )

    def test_a_key_that_is_null(self, settings: Settings, installments: Table) -> None:
        drop_key(installments)
        installments.insert(asset_id=None, invoice_id=SECRET_ROW)
        refusal(settings, "installments", SourceError, installments.name, "1 rows without a key")

    def test_a_key_without_a_constraint_is_counted_and_read(
        self, settings: Settings, installments: Table
    ) -> None:
        drop_key(installments)
        installments.insert()
        assert changed(settings) == ["a1"]


def drop_key(table: Table) -> None:
    table.execute(
        "ALTER TABLE {table} DROP CONSTRAINT business_case_installments_pkey, "
        "ALTER asset_id DROP NOT NULL"
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one MiB."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None or not Path("/proc/mounts").exists():
        pytest.skip("only root can mount a small disk, and only on Linux")
    folder = tmp_path / "small"
    folder.mkdir()
    mounting = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounting.returncode:
        pytest.skip(f"this machine lets nobody mount a small disk: {mounting.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(settings: Settings, companies: Table, small_disk: Path) -> None:
    columns = ", ".join(name for name in COMPANY if name not in ("cnpj", "legal_name"))
    companies.insert()
    companies.execute(
        f"INSERT INTO {{table}} (cnpj, legal_name, {columns}) "
        f"SELECT n::text, repeat(sha256(n::text::bytea)::text, 2), {columns} "
        "FROM {table}, generate_series(1, 20000) n"
    )
    full = settings.model_copy(update={"run_dir": small_disk})
    text = refusal(full, "cnpj_ws", DiskError, str(small_disk), "full", "CREDIX_RUN_DIR")
    assert "Errno" not in text
