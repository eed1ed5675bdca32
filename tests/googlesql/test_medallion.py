"""Bronze, silver and gold are what Google's evaluator computes from the same rows.

Each statement of dbt is computed once more, over the tables as they were before it. Tables are
as the local BigQuery has them, so that a difference shows where it arises.
"""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from credix.capture.compare.canonical_text import bigquery_digest
from credix.core.contracts import load_source
from credix.report import portfolio
from credix_local.bigquery.googlesql.tables import Field
from tests.credix_local.servers import ONCE
from tests.dbt.medallion import Medallion, Outcome
from tests.googlesql.conftest import load
from tests.googlesql.evaluator import Evaluator, Rows, as_names, shown
from tests.googlesql.meaning import created_rows, merged_rows
from tests.googlesql.nasty import TEXTS

DAY = date(2025, 3, 10)
SILVER = ("cnpj_ws_clean", "installments_clean", "quarantine", "touched_companies")
SEED = "bank_holidays"
GOLD = ("company_payment_summary", "payment_analytics_detailed")
# In the order in which they read each other.
VIEWS = (
    "installment_positions",
    "portfolio_monthly",
    "roll_rates",
    "concentration",
    "expected_receipts",
    "vintages",
    "invoice_faults",
    "score_observations",
    "score_backtest",
    "first_payment_default",
    "cures",
)
FIGURES = (
    portfolio.key_figures,
    portfolio.months,
    portfolio.receipts,
    portfolio.tiers,
    portfolio.ageing,
    portfolio.overdue_by_uf,
    portfolio.largest_exposures,
    portfolio.quarantined,
)
# The time of the run, which differs in both engines.
NOT_COMPARED = {"_loaded_at"}
NOW = "timestamp '2025-03-10 00:00:00+00'"
COMPANIES, INSTALLMENTS = 50, 140
# Each amount of a rule, and those beside it.
CENTS = [
    *(near + step for near in (100, 10_000, 100_000, 1_000_000, 10**13) for step in (-1, 0, 1)),
    *(0, 1, -1, 333, 667, 12_345),
]
DAYS = [
    *(DAY + timedelta(days) for days in (-400, -91, -90, -61, -60, -31, -30, -29)),
    # A Monday: those before are a weekend and the days of carnival.
    *(DAY + timedelta(days) for days in (-9, -7, -6, -5, -3, -2, -1, 0, 1, 30)),
    date(9999, 12, 31),
]
CAPITALS = [
    "1000",
    "0",
    "-0.000000001",
    "0.000000001",
    "-1",
    "99999999999999999999999999999.999999999",
]
# Spaces around a known tax id, and ids of no company.
BUYERS = [" {} ", "12.abc.345/01de-35", "52998224725", "{}\t", "\u00a0{}", "{}", "{}", "{}"]


def drawn_rows(source: str, count: int, seq: int, draw: random.Random) -> Rows:
    """A delta with the columns of landing files; keys repeat from delta to delta."""
    rows = []
    for number in range(count):
        make = company if source == "cnpj_ws" else installment
        row = {**make(number, draw), **technical(number, seq, draw)}
        rows.append(tuple(row.get(column.name) for column in load_source(source).landing_columns))
    fields = (Field(one.name, one.type) for one in load_source(source).landing_columns)
    return Rows(tuple(fields), rows)


def company(number: int, draw: random.Random) -> dict[str, Any]:
    return {
        "cnpj": f"{number:014d}",
        "main_cnae": draw.choice(["6201501", "6201501", "", " ", "\u00a0", "\t", None]),
        "share_capital": draw.choice([*map(Decimal, CAPITALS), None]),
        "zip_code": draw.choice(["01310100", "01310100", "0131010", "01310100\n", None]),
        "city": TEXTS[number % len(TEXTS)],
        "state": draw.choice([*TEXTS, None]),
        "uf": draw.choice(["SP", "RJ", "ES", "AC", "sp", " Rj ", "SP\n", "XX", "", None]),
        "opening_date": draw.choice([date(1, 1, 1), date(2024, 2, 29), date(9999, 12, 31), None]),
    }


def installment(number: int, draw: random.Random) -> dict[str, Any]:
    expected = draw.choice([*CENTS, None])
    paid = None if expected is None else expected + draw.choice([-1, 0, 1])
    buyer = draw.choice(BUYERS).format(f"{draw.randrange(COMPANIES // 3):014d}")
    return {
        "asset_id": f"a{number}",
        "buyer_tax_id": draw.choice([buyer, buyer, buyer, "unknown", " ", None]),
        "invoice_id": draw.choice([f"i{number // 3}", None]),
        "installment_number": draw.choice([1, 2, None]),
        "payment_method": draw.choice(["PIX", "BOLETO", None]),
        "installment_count": draw.choice([1, 2, None]),
        "invoice_issue_date": draw.choice([*DAYS, None]),
        "due_date": draw.choice([*DAYS, *DAYS, date(2024, 2, 29), None]),
        "paid_date": draw.choice([*DAYS, None, None, None]),
        "expected_amount_in_cents": expected,
        "paid_amount_in_cents": draw.choice([paid, paid, *CENTS, None]),
    }


def technical(number: int, seq: int, draw: random.Random) -> dict[str, Any]:
    at = datetime(2025, 3, 10, 12, seq, tzinfo=UTC)
    is_deleted = draw.random() < 0.1
    return {
        "_seq": seq,
        "_row_hash": draw.randrange(-(2**63), 2**63),
        "_key_hash": number,
        "_is_deleted": is_deleted,
        "_deleted_at": at if is_deleted else None,
        "_extracted_at": at,
        "_source_file": f"run_{seq}",
    }


# The queries are taken before anybody asks the run.
NO_RUN: Any = None


class Oracle:
    """What the local tables hold, and what the evaluator makes of them."""

    def __init__(self, medallion: Medallion, evaluator: Evaluator) -> None:
        self.medallion, self.evaluator = medallion, evaluator
        self.tables: dict[str, Rows] = {}

    def read(self, layer: str, name: str) -> Rows:
        """The rows of a table, kept as the state before the next statement."""
        sql = f"select * from {self.medallion.table(layer, name)}"
        job = self.medallion.client.query(sql, **ONCE)
        found = job.result(retry=None, job_retry=None)
        fields = tuple(Field(one.name, one.field_type) for one in found.schema)
        self.tables[name] = Rows(fields, [row.values() for row in found])
        return self.tables[name]

    def compute(self, query: str) -> Rows:
        names = [name for name in self.tables if name in query]
        sql = as_names(query.replace("current_timestamp()", NOW), names)
        return self.evaluator.query(sql, {name: self.tables[name] for name in names})

    def merge(self, source: str, delta: Rows) -> list[str]:
        """Merge a delta into bronze; the differences to what the MERGE means."""
        medallion = self.medallion
        medallion.deltas += 1
        name = f"{source}_{medallion.deltas:012x}"
        medallion.create_table(name, source)
        load(medallion.client, f"{medallion.client.project}.{medallion.prefix}_temp.{name}", delta)
        self.tables[name] = delta
        outcome = medallion.merge_table(source, name)
        old, new = self.tables.get(source), self.read("bronze", source)
        if old is None:
            return []  # Bronze was created empty just before; the next delta meets these rows.
        self.tables[source] = old
        self.read("bronze", f"capture_control_{source}")
        query = merged_rows(outcome.executed(source), [field.name for field in new.fields])
        wanted = self.compute(query)
        self.tables[source] = new
        return differences(source, wanted, new)

    def ask(self, what: str, query: str) -> list[str]:
        """The differences of one query."""
        job = self.medallion.client.query(query, **ONCE)
        found = job.result(retry=None, job_retry=None)
        fields = tuple(Field(one.name, one.field_type) for one in found.schema)
        return differences(what, self.compute(query), Rows(fields, [row.values() for row in found]))

    def refresh(self, **values: str) -> list[str]:
        """Run silver and gold; the differences to what their statements mean."""
        values["CREDIX_DBT_BUSINESS_DATE"] = DAY.isoformat()
        outcome = self.medallion.make("silver", "gold", **values)
        self.read("silver", SEED)
        before = dict(self.tables)
        after = {name: self.read("silver", name) for name in SILVER}
        after |= {name: self.read("gold", name) for name in GOLD}
        found = []
        for name in (*SILVER, *GOLD):
            statement = outcome.executed(name)
            if "merge into" in statement:
                # All tables as they are afterwards, but for its own.
                self.tables = {**before, **after, name: before[name]}
                query = merged_rows(statement, [field.name for field in after[name].fields])
            else:
                query = created_rows(statement)
            found += differences(name, self.compute(query), after[name])
            self.tables = {**before, **after}
        if "CREDIX_DBT_CHANGES" not in values:
            return found + self.ask_views(outcome)
        for name in VIEWS:
            self.read("gold", name)
        return found

    def ask_views(self, outcome: Outcome) -> list[str]:
        """The differences of the views that this build has made."""
        found = []
        for name in VIEWS:
            query = created_rows(outcome.executed(name))
            wanted = self.compute(query)
            found += differences(name, wanted, self.read("gold", name))
        return found


def differences(name: str, wanted: Rows, found: Rows) -> list[str]:
    """Rows of one side only, with their columns by name."""
    sides = []
    for one in (wanted, found):
        names = [field.name for field in one.fields]
        kept = [place for place, column in enumerate(names) if column not in NOT_COMPARED]
        sides.append(Counter(tuple((names[at], shown(row[at])) for at in kept) for row in one.rows))
    google, local = sides
    types = [{field.name: field.type for field in one.fields} for one in (wanted, found)]
    wrong = [f"{name}: types {types}"] if types[0] != types[1] else []
    return wrong + [
        f"{name}: {side} {sorted(row)}"
        for side, rows in (("Google", google - local), ("local", local - google))
        for row in list(rows)[:3]
    ]


def report_queries(medallion: Medallion, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The queries of the report, by the functions that send them."""
    sent: dict[str, str] = {}

    class SentError(Exception):
        pass

    def send(_run: object, sql: str) -> None:
        layers = {layer: medallion.table(layer, "").strip("`.") for layer in ("silver", "gold")}
        sent[figure.__name__] = sql.format(**layers)
        raise SentError

    monkeypatch.setattr(portfolio, "query", send)
    for figure in FIGURES:
        with pytest.raises(SentError):
            figure(NO_RUN)
    return sent


def digests(medallion: Medallion, name: str) -> str:
    """The digests of a source's rows and keys, as a reconciliation asks for them."""
    source = load_source(name)
    keys = [column for column in source.columns if column.name in source.key]
    return (
        f"select {', '.join(source.key)}, {bigquery_digest(keys)} as key_digest, "
        f"{bigquery_digest(source.columns)} as row_digest from {medallion.table('bronze', name)}"
    )


def test_merges_and_models_make_the_rows_that_they_mean(
    medallion: Medallion, evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(11)
    oracle = Oracle(medallion, evaluator)
    sizes = {"cnpj_ws": COMPANIES, "installments": INSTALLMENTS}
    found = []
    for source, size in sizes.items():
        found += oracle.merge(source, drawn_rows(source, size, 2, draw))
    found += oracle.refresh()
    rows = {name: len(table.rows) for name, table in oracle.tables.items()}
    # Some keys again, with a newer and an older token, and new ones.
    for source, size in sizes.items():
        newer = drawn_rows(source, size // 3, 3, draw)
        older = drawn_rows(source, size + 20, 1, draw)
        mixed = Rows(newer.fields, [*newer.rows, *older.rows[size // 3 :]])
        found += oracle.merge(source, mixed)
    found += oracle.refresh(CREDIX_DBT_CHANGES="cnpj_ws=2..3 installments=2..3")
    for source in sizes:
        found += oracle.ask(f"digests of {source}", digests(medallion, source))
    for figure, query in report_queries(medallion, monkeypatch).items():
        found += oracle.ask(figure, query)
    assert found == []
    # Nothing is compared where nothing is.
    assert min(rows[name] for name in (*SILVER, *GOLD) if name != "touched_companies") > 3
    assert min(rows[name] for name in VIEWS) > 1
