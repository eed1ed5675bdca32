"""Gold of the demo's 200,000 rows is what SQL says that reads the source alone.

DuckDB computes each figure from the Parquet files, by the definitions of the credit domain.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from docs.generator.bank_holidays import seed_rows
from google.cloud import bigquery

from credix.core.contracts import load_source
from credix_local.demo.write import write_demo_data
from tests.dbt.medallion import Medallion

TODAY = date(2026, 11, 30)
PAST = date(2026, 3, 31)
# Rows that gold leaves out.
IS_VALID = """buyer_tax_id IS NOT NULL AND due_date IS NOT NULL AND expected_amount_in_cents >= 0
    AND (paid_date IS NULL OR paid_amount_in_cents IS NOT NULL)"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The demo's two tables, the valid installments, and the business day after each."""
    folder = tmp_path_factory.mktemp("demo")
    write_demo_data(folder, today=TODAY)
    with duckdb.connect() as connection:
        for source in ("cnpj_ws", "installments"):
            connection.execute(f"CREATE VIEW {source} AS FROM '{folder / f'{source}.parquet'}'")
        connection.execute(
            "CREATE TABLE valid AS SELECT *, expected_amount_in_cents AS cents "
            f"FROM installments WHERE {IS_VALID}"
        )
        connection.execute("CREATE TABLE holidays (holiday DATE, name VARCHAR, next DATE)")
        connection.executemany("INSERT INTO holidays VALUES (?, ?, ?)", list(seed_rows()))
        # Counted day by day, from the last backwards: not as the models move a day.
        connection.execute("""
            CREATE TABLE calendar AS
            SELECT day, min(day) FILTER (WHERE is_open) OVER (
                ORDER BY day ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS open_day
            FROM (SELECT day, isodow(day) < 6
                         AND day NOT IN (SELECT holiday FROM holidays) AS is_open
                  FROM (SELECT unnest(generate_series(DATE '2000-01-01', DATE '2078-12-31',
                                                      INTERVAL 1 DAY))::DATE AS day))""")
        yield connection


def ask(demo: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    found = demo.execute(sql).fetchone()
    assert found
    return found


def test_figures_of_the_source_as_they_are_known(demo: duckdb.DuckDBPyConnection) -> None:
    """Paid today and by 31 March; unpaid on a Monday since Friday, and since the weekend."""
    paid, paid_by_then = ask(
        demo, f"SELECT count(paid_date), count(*) FILTER (paid_date <= DATE '{PAST}') FROM valid"
    )
    since_friday, on_weekend = ask(
        demo,
        """SELECT count(*), count(*) FILTER (isodow(due_date) > 5) FROM valid
           WHERE paid_date IS NULL AND due_date BETWEEN DATE '2026-11-27' AND DATE '2026-11-29'""",
    )

    assert (paid, paid_by_then) == (150_283, 96_706)
    assert (since_friday, on_weekend) == (378, 257)


def test_gold_as_of_a_day_is_what_the_source_says(
    medallion: Medallion, demo: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for name in ("cnpj_ws", "installments"):
        load_rows(medallion, demo, name, tmp_path / f"{name}.parquet")
    medallion.refresh(PAST.isoformat(), with_views=True)
    assert_statuses(medallion, demo, PAST)
    live = owed_by_bucket(medallion, PAST)
    medallion.refresh(TODAY.isoformat(), with_views=True)
    assert_statuses(medallion, demo, TODAY)
    # A month-end that is rebuilt eight months later is the one that was live.
    assert live == owed_by_bucket(medallion, PAST)
    assert_history(medallion, demo)
    assert_every_page_has_all_that_is_owed(medallion)
    assert_the_score_predicts(medallion)
    # A Monday: 257 installments of the weekend can still be paid, boletos of Friday be confirmed.
    since_friday = medallion.query(
        "select payment_status, count(*) as n "
        f"from {medallion.table('gold', 'payment_analytics_detailed')} "
        "where paid_date is null and due_date between date '2026-11-27' and date '2026-11-29' "
        "group by payment_status"
    )
    assert {row["payment_status"]: row["n"] for row in since_friday} == {
        "PENDING": 257,
        "AWAITING_CONFIRMATION": 66,
        "OVERDUE": 55,
    }


def owed_by_bucket(medallion: Medallion, day: date) -> dict[str, tuple[int, Decimal, Decimal]]:
    """What was owed on a day, by bucket: installments, BRL, and BRL with drag by invoice."""
    found = medallion.query(
        "select overdue_bucket, sum(installments) as n, sum(outstanding_amount) as brl, "
        "sum(over_90_with_drag_amount) as drag "
        f"from {medallion.table('gold', 'portfolio_monthly')} where as_of = date '{day}' group by 1"
    )
    return {row["overdue_bucket"]: (row["n"], row["brl"], row["drag"]) for row in found}


def assert_history(medallion: Medallion, demo: duckdb.DuckDBPyConnection) -> None:
    """Each of the 36 month-ends, and today, has the money that the source says was owed then."""
    found = medallion.query(
        "select as_of, sum(installments) as n, sum(outstanding_amount) as brl, "
        "sum(overdue_over_90_amount) as over_90 "
        f"from {medallion.table('gold', 'portfolio_monthly')} group by 1 order by 1"
    )
    wanted = demo.execute(f"""
        WITH days AS (
            SELECT (first_day - INTERVAL 1 DAY)::DATE AS as_of
            FROM (SELECT unnest(generate_series(DATE '{TODAY}' - INTERVAL 35 MONTH,
                                                DATE '{TODAY}', INTERVAL 1 MONTH)) AS month),
                 LATERAL (SELECT date_trunc('month', month) AS first_day)
            UNION SELECT DATE '{TODAY}'),
        owed AS (
            SELECT as_of, due_date, open_day,
                   CASE WHEN paid_date IS NULL OR paid_date > as_of THEN cents
                        WHEN cents - paid_amount_in_cents > 1 THEN cents - paid_amount_in_cents
                        ELSE 0 END AS owed
            FROM valid JOIN calendar ON day = due_date CROSS JOIN days
            WHERE invoice_issue_date <= as_of)
        SELECT as_of, count(*), sum(owed), sum(owed) FILTER (as_of - due_date > 90)
        FROM owed WHERE owed > 0 GROUP BY as_of ORDER BY as_of""").fetchall()
    assert [(*row.values(),) for row in found] == [
        (as_of, count, Decimal(int(owed)) / 100, Decimal(int(over_90 or 0)) / 100)
        for as_of, count, owed, over_90 in wanted
    ]
    assert len(found) > 24


def assert_the_score_predicts(medallion: Medallion) -> None:
    """Of the demo's companies, better tiers default less often; no month is near chance (0.5)."""
    found = medallion.query(
        "select group_name, sum(defaulted_companies) / sum(companies) as rate, "
        "min(area_under_curve) as area, sum(companies) as companies "
        f"from {medallion.table('gold', 'score_backtest')} "
        "where grouped_by != 'DECILE' group by group_name"
    )
    rates = {row["group_name"]: row["rate"] for row in found}
    assert rates["EXCELLENT"] < rates["GOOD"] < rates["HIGH_RISK"]
    [area] = [row["area"] for row in found if row["area"] is not None]
    assert area > 0.6


def assert_every_page_has_all_that_is_owed(medallion: Medallion) -> None:
    """To the cent: installments, companies, buckets, debtors and roots."""
    totals = {
        "payment_analytics_detailed": "true",
        "company_payment_summary": "true",
        "portfolio_monthly": f"as_of = date '{TODAY}'",
        "concentration_of_cnpjs": "debtor_kind = 'CNPJ'",
        "concentration_of_roots": "debtor_kind = 'ROOT'",
    }
    found = {}
    for name, condition in totals.items():
        table = medallion.table("gold", name.partition("_of_")[0])
        [row] = medallion.query(
            f"select sum(outstanding_amount) as brl from {table} where {condition}"
        )
        found[name] = row["brl"]
    assert len(set(found.values())) == 1, found


def load_rows(medallion: Medallion, demo: duckdb.DuckDBPyConnection, name: str, file: Path) -> None:
    """Bring a table of the demo into bronze: a load job, and the merge of a first run."""
    technical = {
        "_seq": "1::BIGINT",
        "_row_hash": "1::BIGINT",
        "_key_hash": "1::BIGINT",
        "_is_deleted": "false",
        "_deleted_at": "NULL::TIMESTAMPTZ",
        "_extracted_at": f"TIMESTAMPTZ '{TODAY} 12:00:00+00'",
        "_source_file": "'demo'",
    }
    columns = [column.name for column in load_source(name).landing_columns]
    chosen = [f"{technical.get(column, column)} AS {column}" for column in columns]
    demo.execute(f"COPY (SELECT {', '.join(chosen)} FROM {name}) TO '{file}' (FORMAT parquet)")
    medallion.deltas += 1
    table = f"{name}_{medallion.deltas:012x}"
    medallion.create_table(table, name)
    address = f"{medallion.client.project}.{medallion.prefix}_temp.{table}"
    config = bigquery.LoadJobConfig(source_format="PARQUET")
    with file.open("rb") as content:
        medallion.client.load_table_from_file(content, address, job_config=config).result()
    medallion.merge_table(name, table)


def assert_statuses(medallion: Medallion, demo: duckdb.DuckDBPyConnection, day: date) -> None:
    """Number, amount and days of every status."""
    wanted = demo.execute(f"""
        WITH dated AS (
            SELECT valid.*, on_time.open_day AS payable_until, DATE '{day}' AS today,
                   CASE WHEN paid_date <= DATE '{day}' THEN paid_date END AS paid_by_then,
                   CASE WHEN payment_method = 'BOLETO' THEN back.open_day ELSE on_time.open_day END
                   AS confirmed_until
            FROM valid
            JOIN calendar AS on_time ON on_time.day = due_date
            JOIN calendar AS back ON back.day = on_time.open_day + 1
            WHERE invoice_issue_date <= DATE '{day}')
        SELECT CASE WHEN paid_by_then IS NOT NULL THEN 'PAID'
                    WHEN today <= payable_until THEN 'PENDING'
                    WHEN today <= confirmed_until THEN 'AWAITING_CONFIRMATION'
                    ELSE 'OVERDUE' END AS status,
               count(*), sum(cents),
               sum(CASE WHEN paid_by_then > due_date AND paid_by_then <= payable_until THEN 0
                        WHEN paid_by_then IS NULL AND today > due_date
                             AND today <= confirmed_until THEN 0
                        ELSE coalesce(paid_by_then, today) - due_date END)
        FROM dated GROUP BY status ORDER BY status""").fetchall()
    found = medallion.query(
        "select payment_status, count(*) as n, sum(expected_amount) as brl, "
        "sum(days_from_due_date) as days "
        f"from {medallion.table('gold', 'payment_analytics_detailed')} group by 1 order by 1"
    )
    assert [(*row.values(),) for row in found] == [
        (status, count, Decimal(int(cents)) / 100, int(days))
        for status, count, cents, days in wanted
    ]
    if day == PAST:
        assert {row[0]: row[1] for row in wanted}["PAID"] == 96_706
