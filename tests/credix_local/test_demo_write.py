"""Demo data: valid, repeatable, spread over Brazil, with every tier and every fault."""

from datetime import date
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from credix.core.column_types import arrow_schema
from credix.core.contracts import load_source
from credix.core.errors import SettingsError
from credix_local.demo import dirt
from credix_local.demo.identifiers import ROOTS, company_roots, tax_numbers, uuids
from credix_local.demo.installments import add_months
from credix_local.demo.places import STATES
from credix_local.demo.write import installment_chunks, write_demo_data

TODAY = date(2026, 3, 31)
COMPANIES, INSTALLMENTS = 10_000, 200_000

# The rule of architecture.md, over valid rows only, as of TODAY.
TIERS = """
WITH valid AS (
    SELECT * FROM installments
    WHERE buyer_tax_id IS NOT NULL AND due_date IS NOT NULL AND expected_amount_in_cents >= 0
), counts AS (
    SELECT
        cnpj,
        count(asset_id) AS total,
        100 * count(paid_date) / count(asset_id) AS completion,
        100 * count(*) FILTER (paid_date IS NULL AND due_date < ?) / count(asset_id) AS overdue,
        coalesce(avg(paid_date - due_date), 0) AS days
    FROM companies LEFT JOIN valid ON cnpj = buyer_tax_id
    GROUP BY cnpj
)
SELECT
    CASE
        WHEN total = 0 THEN 'NO_HISTORY'
        WHEN completion >= 95 AND days <= 5 AND overdue <= 5 THEN 'EXCELLENT'
        WHEN completion >= 85 AND days <= 15 AND overdue <= 15 THEN 'GOOD'
        WHEN completion >= 70 AND days <= 30 AND overdue <= 25 THEN 'FAIR'
        WHEN completion >= 50 AND overdue <= 40 THEN 'POOR'
        ELSE 'HIGH_RISK'
    END AS tier,
    count(*) / sum(count(*)) OVER () AS share
FROM counts GROUP BY tier
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    write_demo_data(folder, today=TODAY, companies=COMPANIES, installments=INSTALLMENTS)
    return folder


@pytest.fixture
def demo(folder: Path) -> duckdb.DuckDBPyConnection:
    """The demo data as the views `companies` and `installments`."""
    connection = duckdb.connect()
    for view, source in (("companies", "cnpj_ws"), ("installments", "installments")):
        path = folder / f"{source}.parquet"
        connection.execute(f"CREATE VIEW {view} AS SELECT * FROM '{path}'")
    return connection


def value(demo: duckdb.DuckDBPyConnection, expression: str, table: str) -> object:
    row = demo.execute(f"SELECT {expression} FROM {table}").fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("source", ["cnpj_ws", "installments"])
def test_files_have_the_columns_of_the_contract_in_its_order(folder: Path, source: str) -> None:
    schema = pq.read_schema(folder / f"{source}.parquet")
    assert schema.equals(arrow_schema(load_source(source).columns))


def test_as_many_rows_are_written_as_were_asked_for_and_keys_are_unique(
    demo: duckdb.DuckDBPyConnection,
) -> None:
    assert value(demo, "count(DISTINCT cnpj)", "companies") == COMPANIES
    assert value(demo, "count(*)", "companies") == COMPANIES
    assert value(demo, "count(DISTINCT asset_id)", "installments") == INSTALLMENTS
    assert value(demo, "count(*)", "installments") == INSTALLMENTS


@pytest.mark.parametrize("source", ["cnpj_ws", "installments"])
def test_the_same_arguments_give_the_same_bytes(tmp_path: Path, source: str) -> None:
    for name in ("first", "second"):
        write_demo_data(tmp_path / name, today=TODAY, companies=300, installments=3_000, seed=7)
    file = f"{source}.parquet"
    assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_another_seed_gives_other_companies_and_keys(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_demo_data(
            tmp_path / str(seed), today=TODAY, companies=300, installments=900, seed=seed
        )
    for source in ("cnpj_ws", "installments"):
        key = load_source(source).key[0]
        first, second = (
            set(pq.read_table(tmp_path / seed / f"{source}.parquet")[key].to_pylist())
            for seed in ("1", "2")
        )
        assert len(first & second) < len(first) / 10


def test_an_installment_keeps_its_key_when_more_are_asked_for(tmp_path: Path) -> None:
    for count in (500, 2_000):
        write_demo_data(tmp_path / str(count), today=TODAY, companies=100, installments=count)
    few, many = (
        pq.read_table(tmp_path / count / "installments.parquet")["asset_id"].to_pylist()
        for count in ("500", "2000")
    )
    assert many[:500] == few


def test_check_digits_are_those_of_the_federal_register() -> None:
    # The register's own number: Banco do Brasil, 00.000.000/0001-91.
    assert tax_numbers(np.array([0])).to_pylist() == ["00000000000191"]
    # The example of the federal revenue, which no demo company has.
    assert has_valid_check_digits("12ABC34501DE35")
    assert not has_valid_check_digits("12ABC34501DE36")


def test_every_company_has_valid_check_digits(demo: duckdb.DuckDBPyConnection) -> None:
    numbers = demo.execute("SELECT cnpj FROM companies").fetchnumpy()["cnpj"]
    assert all(has_valid_check_digits(number) for number in numbers)
    # A tenth has letters, as numbers that are given out since July 2026.
    assert 0.07 < sum(not number.isdigit() for number in numbers) / len(numbers) < 0.13


def has_valid_check_digits(number: str) -> bool:
    """The rule character by character: weights 2 to 9 from the right, and over again."""
    for length in (12, 13):
        weighted = sum(
            (ord(character) - 48) * (2 + place % 8)
            for place, character in enumerate(number[length - 1 :: -1])
        )
        if int(number[length]) != (0 if weighted % 11 < 2 else 11 - weighted % 11):
            return False
    return len(number) == 14


def test_tax_numbers_never_repeat_and_their_end_is_told() -> None:
    roots = company_roots(42, np.arange(1_000_000))
    assert len(np.unique(roots)) == len(roots)
    with pytest.raises(SettingsError, match="tax numbers"):
        company_roots(42, np.array([ROOTS]))


def test_keys_look_like_uuids_and_do_not_depend_on_the_chunk() -> None:
    whole = uuids(5, 0, 100).to_pylist()
    assert whole[40:60] == uuids(5, 40, 20).to_pylist()
    assert len(set(whole)) == 100
    shapes = [[len(part) for part in str(key).split("-")] for key in whole]
    assert shapes == [[8, 4, 4, 4, 12]] * 100


def test_all_states_occur_with_their_own_postal_codes_and_cities(
    demo: duckdb.DuckDBPyConnection,
) -> None:
    rows = demo.execute("SELECT DISTINCT uf, state, city FROM companies").fetchall()
    assert {uf for uf, _, _ in rows} == {state.uf for state in STATES}
    known = {(state.uf, state.name, city) for state in STATES for city in state.cities}
    assert set(rows) <= known
    for state in STATES:
        first, last = state.zip_codes
        codes = demo.execute(
            "SELECT min(zip_code::int), max(zip_code::int) FROM companies"
            " WHERE uf = ? AND regexp_full_match(zip_code, '[0-9]{8}')",
            [state.uf],
        ).fetchone()
        assert codes is not None
        assert first <= codes[0] <= codes[1] <= last


def test_the_27_states_have_ranges_of_their_own() -> None:
    ranges = sorted(state.zip_codes for state in STATES)
    assert len(ranges) == 27
    assert all(before[1] < after[0] for before, after in pairwise(ranges))


def test_every_tier_of_gold_occurs_in_a_sensible_share(demo: duckdb.DuckDBPyConnection) -> None:
    shares = dict(demo.execute(TIERS, [TODAY]).fetchall())
    assert 0.02 <= shares.pop("NO_HISTORY") <= 0.10
    assert set(shares) == {"EXCELLENT", "GOOD", "FAIR", "POOR", "HIGH_RISK"}
    assert all(0.09 <= share <= 0.31 for share in shares.values()), shares


@pytest.mark.parametrize(
    ("table", "condition", "share"),
    [
        ("companies", "share_capital IS NULL", dirt.MISSING_CAPITAL_SHARE),
        ("companies", "share_capital < 0", dirt.NEGATIVE_CAPITAL_SHARE),
        (
            "companies",
            "NOT coalesce(regexp_full_match(zip_code, '[0-9]{8}'), false)",
            dirt.INVALID_ZIP_CODE_SHARE,
        ),
        ("companies", "main_cnae IS NULL", dirt.MISSING_CNAE_SHARE),
        ("installments", "expected_amount_in_cents IS NULL", dirt.MISSING_AMOUNT_SHARE),
        ("installments", "expected_amount_in_cents < 0", dirt.NEGATIVE_AMOUNT_SHARE),
        ("installments", "buyer_tax_id IS NULL", dirt.MISSING_BUYER_SHARE),
        ("installments", "due_date IS NULL", dirt.MISSING_DUE_DATE_SHARE),
        (
            "installments",
            "buyer_tax_id NOT IN (SELECT cnpj FROM companies)",
            dirt.UNKNOWN_BUYER_SHARE,
        ),
    ],
)
def test_each_fault_has_its_share(
    demo: duckdb.DuckDBPyConnection, table: str, condition: str, share: float
) -> None:
    rows = COMPANIES if table == "companies" else INSTALLMENTS
    found = value(demo, f"count(*) FILTER ({condition})", table)
    # Within four standard deviations of a binomial count.
    assert found == pytest.approx(rows * share, abs=4 * (rows * share) ** 0.5)


def test_dates_are_in_order_and_nothing_has_happened_after_today(
    demo: duckdb.DuckDBPyConnection,
) -> None:
    wrong = f"""
        invoice_issue_date > due_date OR invoice_issue_date > paid_date
        OR invoice_issue_date > DATE '{TODAY}' OR paid_date > DATE '{TODAY}'
        OR (paid_date IS NULL) <> (paid_amount_in_cents IS NULL)
    """
    assert value(demo, f"count(*) FILTER ({wrong})", "installments") == 0
    wrong = f"created_at > updated_at OR updated_at > TIMESTAMPTZ '{TODAY} 00:00:00+00'"
    assert value(demo, f"count(*) FILTER ({wrong})", "companies") == 0
    is_old = f"invoice_issue_date < DATE '{TODAY}' - 800"
    assert value(demo, f"count(*) FILTER ({is_old})", "installments") != 0
    assert value(demo, f"max(due_date) > DATE '{TODAY}'", "installments") is True


def test_an_invoice_has_all_its_installments_a_month_apart(
    demo: duckdb.DuckDBPyConnection,
) -> None:
    wrong = demo.execute(
        """
        SELECT invoice_id FROM installments GROUP BY invoice_id
        HAVING count(*) <> min(installment_count) OR count(*) NOT BETWEEN 1 AND 12
            OR count(DISTINCT installment_number) <> max(installment_number)
            OR count(DISTINCT payment_method) <> 1
            OR max(date_diff('month', invoice_issue_date, due_date) - installment_number) <> 0
        """
    ).fetchall()
    assert wrong == []


def test_a_month_later_is_the_last_day_where_the_month_is_shorter() -> None:
    days = np.array(["2024-01-31", "2026-01-31", "2025-11-15"], dtype="M8[D]")
    later = add_months(days, np.array([1, 1, 2]))
    assert list(later.astype(str)) == ["2024-02-29", "2026-02-28", "2026-01-15"]


def test_payments_are_exact_short_and_with_interest(demo: duckdb.DuckDBPyConnection) -> None:
    ratio = "paid_amount_in_cents / nullif(abs(expected_amount_in_cents), 0)"
    exact, short, more = (
        demo.execute(
            f"SELECT avg(({ratio} {sign} 1)::int) FROM installments WHERE paid_date IS NOT NULL"
        ).fetchone()
        for sign in ("=", "<", ">")
    )
    assert exact is not None
    assert short is not None
    assert more is not None
    assert exact[0] > 0.6
    assert 0.005 < short[0] < 0.2
    assert 0.05 < more[0] < 0.35


def test_rows_come_in_chunks_that_do_not_grow_with_the_table() -> None:
    chunks = installment_chunks(1_000, 700_000, 42, TODAY)
    sizes = [chunk.num_rows for chunk in chunks]
    assert sum(sizes) == 700_000
    assert max(sizes) < 300_000


def test_an_empty_table_is_a_table(tmp_path: Path) -> None:
    write_demo_data(tmp_path, today=TODAY, companies=0, installments=0)
    assert pq.read_metadata(tmp_path / "cnpj_ws.parquet").num_rows == 0
    assert pq.read_metadata(tmp_path / "installments.parquet").num_rows == 0


def test_installments_of_no_companies_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="need a company"):
        write_demo_data(tmp_path, today=TODAY, companies=0, installments=1)
    assert not (tmp_path / "installments.parquet").exists()
    with pytest.raises(SettingsError, match="cannot be negative"):
        write_demo_data(tmp_path, today=TODAY, seed=-1)


@pytest.mark.parametrize("companies", [1, 2, 3])
def test_a_few_companies_are_enough(tmp_path: Path, companies: int) -> None:
    write_demo_data(tmp_path, today=TODAY, companies=companies, installments=50)
    assert pq.read_metadata(tmp_path / "installments.parquet").num_rows == 50
