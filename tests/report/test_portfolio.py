"""The figures of the portfolio, asked of gold as dbt builds it."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from credix.clients.bigquery.warehouse import Warehouse
from credix.core.contracts import load_source, source_names
from credix.core.results import Manifest, ReportResult
from credix.core.settings import Settings
from credix.report import portfolio
from credix.state.run import Run, build_run
from tests.elementary import FOLDER
from tests.pipeline.test_pipeline import run
from tests.report.test_report import shown
from tests.runs_by_hand import carry_all
from tests.tables import Table

DAY = "2024-06-30"
COMPANIES = {"11222333000181": "SP", "11444777000161": "RJ"}
# Due date, paid on, cents expected, cents paid.
INSTALLMENTS: dict[str, list[tuple[date, date | None, int, int | None]]] = {
    "11222333000181": [
        (date(2024, 6, 1), None, 100_00, None),
        (date(2024, 5, 30), None, 10_00, None),
        (date(2023, 12, 1), None, 1000_00, None),
        (date(2024, 7, 15), None, 40_00, None),
        (date(2024, 6, 1), date(2024, 6, 1), 250_00, 200_00),
    ],
    "11444777000161": [(date(2024, 8, 1), None, 600_00, None)],
}


@pytest.fixture
def built(
    settings: Settings, tables: dict[str, Table], warehouse: Warehouse
) -> tuple[Run, Manifest]:
    """A report over gold of that day, and its manifest."""
    assert warehouse
    for cnpj, uf in COMPANIES.items():
        tables["cnpj_ws"].insert(cnpj=cnpj, uf=uf, legal_name="Canário Silva ME")
        for number, (due, paid_on, expected, paid) in enumerate(INSTALLMENTS[cnpj]):
            tables["installments"].insert(
                asset_id=f"{cnpj}-{number}",
                buyer_tax_id=cnpj,
                invoice_issue_date=date(2023, 11, 1),
                due_date=due,
                paid_date=paid_on,
                expected_amount_in_cents=expected,
                paid_amount_in_cents=paid,
            )
    tables["installments"].insert(asset_id="no amount", expected_amount_in_cents=None)
    carry_all(settings, DAY)
    manifest = run(settings, "monitoring")
    folder = settings.run_dir / manifest.run_id
    return build_run(settings, manifest.run_id, folder, None, 0, None, DAY), manifest


def test_figures_are_those_of_the_rows_and_show_nobody(
    built: tuple[Run, Manifest], settings: Settings
) -> None:
    report, manifest = built

    assert portfolio.key_figures(report) == {
        "installments": 6.0,
        "buyers": 2.0,
        "expected": 2000.0,
        "paid": 200.0,
        "outstanding": 1800.0,
        "overdue": 1160.0,
        "over_90": 1000.0,
        "pending": 640.0,
        "overdue_of_outstanding": 64.44,
        "over_90_of_outstanding": 55.56,
        "overdue_of_expected": 58.0,
        "recovery_percent": 10.0,
    }
    ages = portfolio.ageing(report)
    assert amounts(ages) == {
        "1-30": 150.0,
        "31-60": 10.0,
        "61-90": 0.0,
        "91-180": 0.0,
        "over 180": 1000.0,
    }
    by_uf = portfolio.overdue_by_uf(report)
    assert amounts(by_uf) == {"SP": 1160.0, "RJ": 0.0}
    assert by_uf["overdue_percent"].tolist() == [96.67, 0.0]
    tiers = portfolio.tiers(report)
    assert tiers["companies"].sum() == 2
    exposures = portfolio.largest_exposures(report)
    assert exposures["buyer"].tolist() == ["••.•••.•••/••••-81", "••.•••.•••/••••-61"]
    assert exposures["outstanding_brl"].tolist() == [1200.0, 600.0]
    assert exposures["percent"].astype(float).tolist() == [66.67, 33.33]
    months = portfolio.months(report)
    # Of the invoice i1, which all of them have, the oldest installment is 212 days late.
    assert months.iloc[-1].to_dict() == {
        "outstanding": 1800.0,
        "overdue": 1160.0,
        "from_15_to_90": 0.0,
        "over_90": 1800.0,
        "overdue_percent": 64.44,
        "from_15_to_90_percent": 0.0,
        "over_90_percent": 100.0,
    }
    # Of what fell due in the year before, 200 of 1,360 are paid; nothing of the other tier.
    receipts = portfolio.receipts(report)
    assert receipts["due_brl"].tolist() == [40.0, 600.0]
    # Every page has the same money.
    assert [one["outstanding_brl"].sum() for one in (tiers, by_uf, exposures)] == [1800.0] * 3
    assert [one["overdue_brl"].sum() for one in (tiers, by_uf, exposures, ages)] == [1160.0] * 4
    faults = portfolio.quarantined(report)
    assert faults[["severity", "source", "reason", "n_rows"]].to_numpy().tolist() == [
        ["ERROR", "installments", "MISSING_AMOUNT", 1]
    ]

    text = shown(settings, manifest)
    assert "thousand BRL" in text
    for word in ("Canário", *COMPANIES):
        assert word not in text
    assert f"Gold is of {DAY}" in text
    if not FOLDER.exists():
        reported = manifest.steps["gold"]["05_report"]
        assert isinstance(reported, ReportResult)
        assert reported.monitoring.status == "absent"
        assert "install-elementary" in reported.monitoring.reason


def amounts(found: pd.DataFrame) -> dict[str, float]:
    return {str(name): float(amount) for name, amount in found["overdue_brl"].items()}


def test_no_query_names_a_column_that_the_contracts_call_personal() -> None:
    text = Path(portfolio.__file__).read_text("utf-8")
    personal = {name for source in source_names() for name in load_source(source).personal_data}
    assert personal
    assert [name for name in personal if name in text] == []
