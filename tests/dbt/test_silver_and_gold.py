"""Silver and gold over real deltas: what a run, a day and a deletion change."""

from datetime import date
from decimal import Decimal
from typing import Any

from tests.dbt.medallion import Medallion
from tests.dbt.rows import CNPJ, company, installment, tombstone


def test_new_day_turns_pending_into_overdue_without_new_data(medallion: Medallion) -> None:
    medallion.merge("cnpj_ws", company())
    medallion.merge("installments", installment("a", due_date=date(2025, 3, 10)))

    medallion.refresh("2025-03-10")
    assert medallion.row("silver", "installments_clean", "true")["payment_status"] == "PENDING"
    assert medallion.row("gold", "company_payment_summary", "true")["overdue_installments"] == 0

    medallion.refresh("2025-03-11")
    silver = medallion.row("silver", "installments_clean", "true")
    assert (silver["payment_status"], silver["days_from_due_date"]) == ("OVERDUE", 1)
    details = medallion.row("gold", "payment_analytics_detailed", "true")
    assert details["payment_behavior"] == "RECENTLY_OVERDUE"
    summary = medallion.row("gold", "company_payment_summary", "true")
    assert (summary["overdue_installments"], summary["payment_tier"]) == (1, "HIGH_RISK")
    assert summary["business_date"] == details["business_date"] == date(2025, 3, 11)


def test_as_of_a_past_day_nothing_of_later_days_counts(medallion: Medallion) -> None:
    """Due on a Friday and paid on 12 March, and one that was issued on 11 March."""
    paid: dict[str, Any] = {"paid_date": date(2025, 3, 12), "paid_amount_in_cents": 10_000}
    medallion.merge("cnpj_ws", company())
    medallion.merge(
        "installments",
        installment("a", due_date=date(2025, 3, 7), **paid),
        installment("later", due_date=date(2025, 4, 8), invoice_issue_date=date(2025, 3, 11)),
    )

    def shown(day: str) -> tuple[list[str], Decimal, Decimal, int]:
        medallion.refresh(day)
        rows = medallion.rows("gold", "payment_analytics_detailed", "asset_id")
        summary = medallion.row("gold", "company_payment_summary", "true")
        return (
            [row["payment_status"] for row in rows],
            summary["total_paid_amount"],
            summary["overdue_amount"],
            summary["total_installments"],
        )

    assert shown("2025-03-10") == (["OVERDUE"], Decimal(0), Decimal(100), 1)
    assert shown("2025-03-12") == (["PAID", "PENDING"], Decimal(100), Decimal(0), 2)


def test_deleted_rows_leave_silver_quarantine_and_gold_and_come_back_reborn(
    medallion: Medallion,
) -> None:
    medallion.merge("cnpj_ws", company())
    medallion.merge(
        "installments", installment("a"), installment("bad", expected_amount_in_cents=-1)
    )

    def visible() -> dict[str, list[str]]:
        tables = {
            "installments_clean": ("silver", "asset_id"),
            "quarantine": ("silver", "key_value"),
            "payment_analytics_detailed": ("gold", "asset_id"),
        }
        return {
            name: [row[key] for row in medallion.rows(layer, name, key)]
            for name, (layer, key) in tables.items()
        }

    everything = {
        "installments_clean": ["a", "bad"],
        "quarantine": ["bad"],
        "payment_analytics_detailed": ["a"],
    }
    medallion.refresh("2025-03-10")
    assert visible() == everything

    gone = [tombstone("asset_id", key, seq=2) for key in ("a", "bad")]
    medallion.merge("installments", *gone)
    medallion.refresh("2025-03-10")
    assert visible() == {name: [] for name in everything}
    assert medallion.row("gold", "company_payment_summary", "true")["payment_tier"] == "NO_HISTORY"

    reborn = [
        installment("a", seq=3),
        installment("bad", seq=3, expected_amount_in_cents=-1),
    ]
    medallion.merge("installments", *reborn)
    medallion.refresh("2025-03-10")
    assert visible() == everything


def test_company_that_changes_moves_the_details_of_untouched_installments(
    medallion: Medallion,
) -> None:
    medallion.merge("cnpj_ws", company(main_cnae=None))
    medallion.merge("installments", installment("a"))
    medallion.refresh("2025-03-10")
    before = medallion.row("gold", "payment_analytics_detailed", "true")
    assert (before["overall_data_quality"], before["geographic_tier"]) == (
        "COMPANY_NOT_VALID",
        "TIER_1",
    )

    medallion.merge("cnpj_ws", company(seq=2, row_hash=2, uf="ba"))
    medallion.refresh("2025-03-10")

    after = medallion.row("gold", "payment_analytics_detailed", "true")
    assert (after["overall_data_quality"], after["geographic_tier"]) == ("VALID", "TIER_3")


def test_money_is_exact_and_none_vanishes_when_a_company_is_unknown(medallion: Medallion) -> None:
    medallion.merge("cnpj_ws", company())
    cents = [1, 10, 999_999_999_998]
    rows = [
        installment(str(amount), expected_amount_in_cents=amount, buyer_tax_id=buyer)
        for amount, buyer in zip(cents, [CNPJ, "unknown", CNPJ], strict=True)
    ]
    medallion.merge("installments", *rows)

    outcome = medallion.build("silver", "gold", CREDIX_DBT_BUSINESS_DATE="2025-03-10")

    total = medallion.query(
        f"select sum(expected_amount) as total "
        f"from {medallion.table('gold', 'payment_analytics_detailed')}"
    )[0]["total"]
    assert total == Decimal(sum(cents)) / 100
    summary = medallion.row("gold", "company_payment_summary", f"buyer_tax_id = '{CNPJ}'")
    assert summary["total_expected_amount"] == Decimal("9999999999.99")
    unknown = medallion.row("gold", "payment_analytics_detailed", "buyer_tax_id = 'UNKNOWN'")
    assert unknown["overall_data_quality"] == "COMPANY_UNKNOWN"
    warned = [name for name, status in outcome.statuses.items() if status == "warn"]
    assert warned == ["every_buyer_is_a_known_company"]


def test_company_with_a_fault_is_listed_and_its_debt_counts(medallion: Medallion) -> None:
    medallion.merge("cnpj_ws", company(), company("bad", zip_code="123", share_capital=None))
    medallion.merge("installments", installment("a", buyer_tax_id="bad"))

    medallion.refresh("2025-03-10")

    shown = [
        (row["buyer_tax_id"], row["company_data_quality"], row["outstanding_amount"])
        for row in medallion.rows("gold", "company_payment_summary", "1")
    ]
    assert shown == [(CNPJ, "VALID", 0), ("BAD", "COMPANY_NOT_VALID", 100)]
    reasons = [row["reason"] for row in medallion.rows("silver", "quarantine", "reason")]
    assert reasons == ["INVALID_CAPITAL", "INVALID_CNPJ", "INVALID_CNPJ", "INVALID_ZIPCODE"]


def test_row_that_is_missing_in_silver_fails_the_claims_that_look_back_at_bronze(
    medallion: Medallion,
) -> None:
    medallion.merge("installments", installment("a"), installment("b"))
    medallion.refresh("2025-03-10")
    medallion.query(
        f"delete from {medallion.table('silver', 'installments_clean')} where asset_id = 'a'"
    )

    outcome = medallion.dbt("test", "--select", "silver")

    assert outcome.statuses["every_live_row_of_bronze_is_in_silver"] == "fail"


def test_gold_of_another_day_than_silver_is_told(medallion: Medallion) -> None:
    medallion.merge("installments", installment("a"))
    medallion.refresh("2025-03-10")
    medallion.dbt("run", "--select", "silver", CREDIX_DBT_BUSINESS_DATE="2025-03-11")

    outcome = medallion.dbt("test", "--select", "gold_is_of_one_business_day")

    assert outcome.statuses == {"gold_is_of_one_business_day": "fail"}


def test_bronze_alone_runs_no_test_that_looks_at_silver(medallion: Medallion) -> None:
    outcome = medallion.build("bronze.installments")

    assert not [name for name in outcome.statuses if "silver" in name or "gold" in name]
    assert "unique_installments_asset_id" in outcome.statuses


def test_business_date_that_is_none_is_refused(medallion: Medallion) -> None:
    outcome = medallion.try_build("silver", CREDIX_DBT_BUSINESS_DATE="10/03/2025")

    assert not outcome.success
    told = outcome.message + "".join(outcome.messages.values())
    assert "write the business day as YYYY-MM-DD" in told
