"""Time passing in the source: repeatable, never into the future, a little of everything."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text

from credix.core.errors import SettingsError, SourceError
from credix.core.settings import Settings
from credix.operations.loading.loader import engine_from, load_files
from credix_local.demo import simulate_days
from credix_local.demo.changes import CHANGES, DELETES
from credix_local.demo.identifiers import LETTERS
from credix_local.demo.payers import PAYERS, chance_sql, payer_kinds
from credix_local.demo.simulate import operation_days, simulate
from credix_local.demo.write import write_demo_data

SEEDED_ON = date(2026, 3, 2)
TODAY = SEEDED_ON + timedelta(10)
COMPANIES, INSTALLMENTS = 500, 10_000

Rows = dict[str, dict[str, Any]]


class DemoSource:
    """A schema with demo data, which a test lets days pass in."""

    def __init__(self, engine: Engine, schema: str, folder: Path) -> None:
        self.engine, self.schema, self.folder = engine, schema, folder

    def load(self) -> None:
        files = {path.stem: path for path in self.folder.glob("*.parquet")}
        load_files(self.engine, self.schema, files, replace=True)

    def pass_days(self, days: int = 1, seed: int = 5, **options: Any) -> dict[str, int]:
        options = {"today": TODAY, **options}
        return simulate(self.engine, self.schema, days, seed=seed, **options)

    def rows(self, table: str) -> Rows:
        with self.engine.connect() as connection:
            found = connection.execute(text(f"SELECT * FROM {self.schema}.business_case_{table}"))
            return {row[0]: dict(zip(found.keys(), row, strict=True)) for row in found}

    def all_rows(self) -> tuple[Rows, Rows]:
        return self.rows("cnpj_ws"), self.rows("installments")

    def value(self, statement: str) -> Any:
        with self.engine.connect() as connection:
            statement = statement.replace("{schema}", self.schema)
            return connection.execute(text(statement)).scalar()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    write_demo_data(folder, today=SEEDED_ON, companies=COMPANIES, installments=INSTALLMENTS)
    return folder


@pytest.fixture
def source(settings: Settings, folder: Path) -> Iterator[DemoSource]:
    engine = engine_from(settings.variables())
    made = DemoSource(engine, settings.postgres_schema, folder)
    made.load()
    yield made
    engine.dispose()


def changed(before: Rows, after: Rows) -> dict[str, set[str]]:
    """The columns that changed, by key, of rows that are in both."""
    return {
        key: columns
        for key in before.keys() & after.keys()
        if (columns := {name for name in before[key] if before[key][name] != after[key][name]})
    }


def test_the_same_seed_does_the_same_to_the_same_source(source: DemoSource) -> None:
    first = source.pass_days(2, with_deletes=True), source.all_rows()
    source.load()
    second = source.pass_days(2, with_deletes=True), source.all_rows()
    assert first == second


def test_another_seed_does_something_else(source: DemoSource) -> None:
    source.pass_days(seed=1)
    first = source.all_rows()
    source.load()
    source.pass_days(seed=2)
    assert source.all_rows() != first


def test_every_kind_of_change_happens_even_in_a_small_source(source: DemoSource) -> None:
    summary = source.pass_days(1, with_deletes=True)
    names = [change.name for change in CHANGES + DELETES]
    assert list(summary) == ["new companies", "new installments", *names]
    assert all(rows >= 3 for rows in summary.values()), summary


def test_the_summary_counts_what_is_new_and_gone(source: DemoSource) -> None:
    companies, installments = source.all_rows()
    summary = source.pass_days(1, with_deletes=True)
    later_companies, later_installments = source.all_rows()
    for before, after, what in (
        (companies, later_companies, "companies"),
        (installments, later_installments, "installments"),
    ):
        # A row may be new and deleted on the same day.
        assert len(after) - len(before) == summary[f"new {what}"] - summary[f"deleted {what}"]
        assert 0 < len(before.keys() - after.keys()) <= summary[f"deleted {what}"]


def test_nothing_is_deleted_unless_asked_for(source: DemoSource) -> None:
    companies, installments = source.all_rows()
    source.pass_days(3)
    later_companies, later_installments = source.all_rows()
    assert companies.keys() < later_companies.keys()
    assert installments.keys() < later_installments.keys()


def test_calling_again_moves_forward_to_today_and_no_further(source: DemoSource) -> None:
    last_days = []
    for _ in range(3):
        source.pass_days(4)
        last_days.append(
            source.value("SELECT max(paid_date) FROM {schema}.business_case_installments")
        )
    assert last_days == [SEEDED_ON + timedelta(4), SEEDED_ON + timedelta(8), TODAY]
    newest = source.value(
        "SELECT greatest(max(created_at), max(updated_at)) FROM {schema}.business_case_cnpj_ws"
    )
    assert newest == datetime.combine(TODAY, time(), UTC)
    issued = source.value("SELECT max(invoice_issue_date) FROM {schema}.business_case_installments")
    assert issued == TODAY


def test_a_second_call_on_the_same_day_adds_other_rows(source: DemoSource) -> None:
    first = source.pass_days(1, today=SEEDED_ON)
    second = source.pass_days(1, today=SEEDED_ON)
    rows = len(source.rows("installments"))
    assert rows == INSTALLMENTS + first["new installments"] + second["new installments"]


def test_days_follow_the_last_one_or_end_today_in_an_empty_source() -> None:
    monday, friday = date(2026, 3, 2), date(2026, 3, 6)
    assert operation_days(monday, 2, friday) == [date(2026, 3, 3), date(2026, 3, 4)]
    assert operation_days(monday, 6, friday)[-3:] == [date(2026, 3, 6)] * 3
    assert operation_days(friday + timedelta(30), 2, friday) == [friday, friday]
    assert operation_days(None, 2, friday) == [date(2026, 3, 5), friday]


def test_company_changes_touch_updated_at_except_a_few_silent_ones(source: DemoSource) -> None:
    before = source.rows("cnpj_ws")
    summary = source.pass_days(1)
    after = source.rows("cnpj_ws")
    kinds = changed(before, after)
    silent = [key for key, columns in kinds.items() if columns == {"phone"}]
    loud = [key for key, columns in kinds.items() if "updated_at" in columns]
    assert 0 < len(silent) <= summary["silent changes"]
    assert 0 < len(loud) <= summary["status changes"] + summary["capital changes"]
    instant = datetime.combine(SEEDED_ON + timedelta(1), time(), UTC)
    assert {after[key]["updated_at"] for key in loud} == {instant}


def test_payments_are_cleared_backdated_and_made_on_the_day(source: DemoSource) -> None:
    before = source.rows("installments")
    source.pass_days(1)
    after = source.rows("installments")
    paid, cleared, backdated = 0, 0, 0
    for key in changed(before, after):
        old, new = before[key]["paid_date"], after[key]["paid_date"]
        paid += old is None and new == SEEDED_ON + timedelta(1)
        cleared += old is not None and new is None
        backdated += old is not None and new is not None and new < old
    assert min(paid, cleared, backdated) > 0


def test_dates_stay_in_order(source: DemoSource) -> None:
    source.pass_days(6)
    wrong = (
        "SELECT count(*) FROM {schema}.business_case_installments WHERE"
        " invoice_issue_date > due_date OR invoice_issue_date > paid_date"
        " OR (paid_date IS NULL) <> (paid_amount_in_cents IS NULL)"
    )
    assert source.value(wrong) == 0


def test_a_day_that_fails_leaves_the_source_as_the_day_before_did(source: DemoSource) -> None:
    source.pass_days(1)
    before = source.all_rows()
    with source.engine.begin() as connection:
        table = f"{source.schema}.business_case_cnpj_ws"
        connection.execute(text(f"ALTER TABLE {table} RENAME COLUMN phone TO telephone"))
    with pytest.raises(SourceError, match="UndefinedColumn"):
        source.pass_days(1)
    with source.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME COLUMN telephone TO phone"))
    assert source.all_rows() == before


def test_the_hidden_risk_is_the_same_in_numpy_and_in_sql(source: DemoSource) -> None:
    case = chance_sql("cnpj", "never")
    with source.engine.connect() as connection:
        statement = f"SELECT cnpj, {case} FROM {source.schema}.business_case_cnpj_ws"
        found = connection.exec_driver_sql(statement).all()
    digits = str.maketrans(LETTERS, "0123456789")
    roots = np.array([int(str(number)[:8].translate(digits)) for number, _ in found])
    assert any(not str(number).isdigit() for number, _ in found)
    kinds = payer_kinds(roots)
    assert [float(str(never)) for _, never in found] == [PAYERS[kind].never for kind in kinds]


def test_missing_tables_and_impossible_arguments_are_told(settings: Settings) -> None:
    engine = engine_from(settings.variables())
    with pytest.raises(SourceError, match="UndefinedTable"):
        simulate(engine, settings.postgres_schema, 1, seed=1, today=TODAY)
    with pytest.raises(SettingsError):
        simulate(engine, settings.postgres_schema, 0, seed=1, today=TODAY)
    engine.dispose()


def test_an_empty_source_gets_its_first_rows(settings: Settings, tmp_path: Path) -> None:
    write_demo_data(tmp_path, today=SEEDED_ON, companies=0, installments=0)
    engine = engine_from(settings.variables())
    empty = DemoSource(engine, settings.postgres_schema, tmp_path)
    empty.load()
    assert empty.pass_days(2)["new companies"] == 6
    engine.dispose()


def test_days_pass_in_the_source_of_the_settings(source: DemoSource, settings: Settings) -> None:
    companies = len(source.rows("cnpj_ws"))
    summary = simulate_days(settings, 1, 3)
    assert len(source.rows("cnpj_ws")) == companies + summary["new companies"]
