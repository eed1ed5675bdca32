"""Silver and gold that follow what changed are, row by row, those that are made whole."""

import random
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from tests.dbt.medallion import Medallion, Outcome
from tests.dbt.rows import company, installment, tombstone

DAY = "2025-03-10"
TABLES = {
    "cnpj_ws_clean": "silver",
    "installments_clean": "silver",
    "quarantine": "silver",
    "company_payment_summary": "gold",
    "payment_analytics_detailed": "gold",
}
MODELS = ("touched_companies", *TABLES)
COMPANIES = [f"{number:014d}" for number in range(6)]
BUYERS = [*COMPANIES, "unknown", " ", None]
INSTALLMENTS = [f"a{number}" for number in range(25)]
STEPS = 4


@dataclass
class History:
    """A bronze that is drawn, and what gold has seen of it."""

    medallion: Medallion
    draw: random.Random
    seen: dict[str, int] = field(default_factory=lambda: {"cnpj_ws": 0, "installments": 0})
    seq: int = 0

    def change(self, source: str, *rows: dict[str, Any]) -> None:
        """Merge rows as a run would: the keys that are there already are replaced."""
        table = self.medallion.table("bronze", source)
        staged = self.medallion.table("temp", self.medallion.stage(source, *rows))
        key = "cnpj" if source == "cnpj_ws" else "asset_id"
        self.medallion.query(f"delete from {table} where {key} in (select {key} from {staged})")
        names = ", ".join(sorted({name for row in rows for name in row}))
        self.medallion.query(
            f"insert into {table} ({names}, _changed_at, _loaded_at, _source_table) "
            f"select {names}, _extracted_at, timestamp '2025-03-10 00:00:00+00', 'x' from {staged}"
        )

    def draw_changes(self) -> None:
        """Up to four companies and eight installments: new, changed, invalid, deleted, reborn."""
        self.seq += 1
        companies = self.draw.sample(COMPANIES, self.draw.choice([0, 0, 1, 4]))
        installments = self.draw.sample(INSTALLMENTS, self.draw.choice([0, 1, 8, 8]))
        if companies:
            self.change("cnpj_ws", *[self.draw_company(cnpj) for cnpj in companies])
        if installments:
            self.change("installments", *[self.draw_installment(one) for one in installments])

    def draw_company(self, cnpj: str) -> dict[str, Any]:
        if self.draw.random() < 0.2:
            return tombstone("cnpj", cnpj, self.seq)
        is_valid = self.draw.random() < 0.8
        return company(
            cnpj,
            self.seq,
            uf=self.draw.choice(["SP", "BA", None]),
            main_cnae="6201501" if is_valid else None,
            zip_code=self.draw.choice(["01310100", "01310100", "1"]),
        )

    def draw_installment(self, asset_id: str) -> dict[str, Any]:
        if self.draw.random() < 0.2:
            return tombstone("asset_id", asset_id, self.seq)
        cents = self.draw.choice([None, -1, 5_000, 10_000, 900_000])
        is_paid = self.draw.random() < 0.6
        return installment(
            asset_id,
            self.seq,
            buyer_tax_id=self.draw.choice(BUYERS),
            due_date=self.draw.choice([None, date(2025, 1, 5), date(2025, 2, 9), date(2025, 4, 1)]),
            expected_amount_in_cents=cents,
            paid_amount_in_cents=self.draw.choice([cents, 4_999, None]) if is_paid else None,
            paid_date=date(2025, 2, self.draw.randint(1, 28)) if is_paid else None,
        )

    @property
    def changes(self) -> str:
        """What a run tells dbt."""
        return " ".join(f"{source}={seen}..{self.seq}" for source, seen in self.seen.items())

    def follow(self, *models: str) -> Outcome:
        """Bring these tables up to date, in the order of the graph."""
        values = {"CREDIX_DBT_BUSINESS_DATE": DAY, "CREDIX_DBT_CHANGES": self.changes}
        outcome = self.medallion.dbt("run", "--select", *models, **values)
        assert outcome.success, (outcome.message, outcome.messages)
        return outcome

    def commit(self) -> None:
        self.seen = dict.fromkeys(self.seen, self.seq)

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        return {name: self.medallion.rows(layer, name, "1, 2, 3") for name, layer in TABLES.items()}

    def require_whole(self) -> None:
        """Fails the test where a table is not what a build of everything makes of this bronze."""
        followed = self.tables()
        self.medallion.refresh(DAY)
        for name, whole in self.tables().items():
            assert followed[name] == whole, f"{name} at _seq {self.seq}"


@pytest.fixture
def history(medallion: Medallion) -> History:
    """Silver and gold of a first bronze, made whole."""
    medallion.dbt("run", "--select", "bronze")
    made = History(medallion, random.Random(20250310))
    made.seq = 1
    made.change("cnpj_ws", *[made.draw_company(cnpj) for cnpj in COMPANIES[:4]])
    made.change("installments", *[made.draw_installment(one) for one in INSTALLMENTS[:20]])
    medallion.refresh(DAY)
    made.commit()
    return made


def test_following_changes_makes_what_a_build_of_everything_makes(history: History) -> None:
    """Every other build dies at a drawn model, and the next one starts where gold was committed."""
    for step in range(STEPS):
        history.draw_changes()
        if step % 2:
            history.follow(*MODELS[: history.draw.randint(1, len(MODELS))])
            history.draw_changes()
        history.follow("silver", "gold")
        history.require_whole()
        history.commit()


def test_a_buyer_that_lost_an_invalid_installment_is_found_though_two_builds_died(
    history: History,
) -> None:
    """Only silver knew the buyer, and a build that died has merged another one over it."""
    first, second, third = COMPANIES[:3]
    history.seq += 1
    history.change("cnpj_ws", *[company(cnpj, history.seq) for cnpj in COMPANIES[:3]])
    history.change(
        "installments",
        installment("moves", history.seq, buyer_tax_id=first, expected_amount_in_cents=-1),
        installment("stays", history.seq, buyer_tax_id=first),
    )
    history.follow("silver", "gold")
    history.commit()
    for buyer in (second, third):
        history.seq += 1
        history.change("installments", installment("moves", history.seq, buyer_tax_id=buyer))
        history.follow("silver", *["company_payment_summary"] * (buyer == second))

    history.follow("silver", "gold")

    history.require_whole()


def test_what_is_merged_while_a_build_goes_on_waits_for_the_next_one(history: History) -> None:
    first, second = COMPANIES[:2]
    history.seq += 1
    history.change("cnpj_ws", company(first, history.seq), company(second, history.seq))
    history.change("installments", installment("moves", history.seq, buyer_tax_id=first))
    history.follow("silver", "gold")
    history.commit()
    history.change("installments", installment("moves", history.seq + 1, buyer_tax_id=second))

    history.follow("silver", "gold")
    moved = history.medallion.row("gold", "payment_analytics_detailed", "asset_id = 'moves'")
    assert moved["buyer_tax_id"] == first

    history.seq += 1
    history.follow("silver", "gold")
    history.require_whole()


def test_a_build_that_is_repeated_writes_no_row(history: History) -> None:
    history.draw_changes()
    history.seq += 1
    history.change("cnpj_ws", company("99999999999999", history.seq))

    history.follow("silver", "gold")
    again = history.follow("silver", "gold")

    written = {name: again.messages[name].split(",")[0] for name in TABLES}
    assert written == dict.fromkeys(TABLES, "MERGE (0.0 rows")
