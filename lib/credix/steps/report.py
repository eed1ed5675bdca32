"""05: the figures of the run and of the business, as aggregates."""

import json
from decimal import Decimal
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from credix.sources import source_names
from credix.steps import plots
from credix.steps.context import Run, resume_run

__all__ = [
    "ageing",
    "finish",
    "overdue_by_uf",
    "plot_ageing",
    "plot_overdue_by_uf",
    "plot_tiers",
    "portfolio",
    "quarantined",
    "resume_run",
    "run_figures",
    "tiers",
]

TIERS = ["EXCELLENT", "GOOD", "FAIR", "POOR", "HIGH_RISK", "NO_HISTORY"]
MILLION = 1e6


def run_figures(run: Run) -> pd.DataFrame:
    """One line per source of this run: rows step by step, and the watermark it reached."""
    lines = []
    for name in source_names():
        results = read_results(run, name)
        if not results["01_extract"]:
            continue
        extracted = results["01_extract"][-1]
        lines.append(
            {
                "source": name,
                "extracted": rows_of(results, "01_extract"),
                "landed": rows_of(results, "02_land"),
                "loaded": rows_of(results, "03_load"),
                "merged": rows_of(results, "04_transform"),
                "snapshot (UTC)": extracted["snapshot_at"][:19].replace("T", " "),
                "lossless": extracted["lossless"],
            }
        )
    columns = ["source", "extracted", "landed", "loaded", "merged", "snapshot (UTC)", "lossless"]
    return pd.DataFrame(lines, columns=columns)


def portfolio(run: Run) -> pd.DataFrame:
    """The portfolio in one column: what is owed, overdue and recovered."""
    found = query(
        run,
        """
        SELECT count(*) AS installments,
               count(DISTINCT buyer_tax_id) AS buyers,
               coalesce(sum(expected_amount), 0) AS expected,
               coalesce(sum(paid_amount), 0) AS paid,
               coalesce(sum(IF(payment_status = 'PAID', expected_amount, 0)), 0) AS due_and_paid,
               coalesce(sum(IF(payment_status = 'OVERDUE', expected_amount, 0)), 0) AS overdue,
               coalesce(sum(IF(payment_status = 'PENDING', expected_amount, 0)), 0) AS pending
        FROM `{gold}.payment_analytics_detailed`
        """,
    ).iloc[0]
    expected = float(found["expected"]) or 1.0
    facts = {
        "business day": run.business_date,
        "installments": f"{int(found['installments']):,}",
        "buyers": f"{int(found['buyers']):,}",
        "expected (BRL)": money(found["expected"]),
        "paid (BRL)": money(found["paid"]),
        "outstanding (BRL)": money(found["overdue"] + found["pending"]),
        "of it overdue (BRL)": money(found["overdue"]),
        "overdue, % of expected": f"{100 * float(found['overdue']) / expected:.2f}",
        "recovered, % of expected": f"{100 * float(found['paid']) / expected:.2f}",
    }
    return pd.DataFrame({"figure": list(facts), "value": list(facts.values())})


def tiers(run: Run) -> pd.DataFrame:
    """One line per payment tier, from the best: companies, amounts in BRL, average score."""
    found = query(
        run,
        """
        SELECT payment_tier AS tier, count(*) AS companies,
               sum(total_expected_amount) AS expected_brl, sum(overdue_amount) AS overdue_brl,
               round(avg(risk_score), 1) AS average_risk_score
        FROM `{gold}.company_payment_summary` GROUP BY payment_tier
        """,
    )
    return found.set_index("tier").reindex(TIERS).dropna(subset=["companies"])


def plot_tiers(found: pd.DataFrame) -> None:
    plots.bars(found["companies"].astype(int), "Companies by payment tier", "companies")
    plt.show()


def ageing(run: Run) -> pd.DataFrame:
    """Overdue installments by the days since they fell due: number and BRL."""
    return query(
        run,
        """
        SELECT CASE WHEN days_from_due_date <= 30 THEN '1-30'
                    WHEN days_from_due_date <= 60 THEN '31-60'
                    WHEN days_from_due_date <= 90 THEN '61-90'
                    WHEN days_from_due_date <= 180 THEN '91-180'
                    ELSE 'over 180' END AS days_overdue,
               count(*) AS installments, sum(expected_amount) AS overdue_brl
        FROM `{gold}.payment_analytics_detailed`
        WHERE payment_status = 'OVERDUE' GROUP BY days_overdue ORDER BY min(days_from_due_date)
        """,
    ).set_index("days_overdue")


def plot_ageing(found: pd.DataFrame) -> None:
    plot_millions(found["overdue_brl"], "Overdue by days since the due date")


def overdue_by_uf(run: Run) -> pd.DataFrame:
    """One line per state, the largest overdue amount first: number, BRL, share of expected."""
    return query(
        run,
        """
        SELECT coalesce(standardized_uf, 'unknown') AS uf,
               countif(payment_status = 'OVERDUE') AS overdue_installments,
               sum(IF(payment_status = 'OVERDUE', expected_amount, 0)) AS overdue_brl,
               round(100 * sum(IF(payment_status = 'OVERDUE', expected_amount, 0))
                     / nullif(sum(expected_amount), 0), 2) AS overdue_percent
        FROM `{gold}.payment_analytics_detailed` GROUP BY uf ORDER BY overdue_brl DESC
        """,
    ).set_index("uf")


def plot_overdue_by_uf(found: pd.DataFrame) -> None:
    plot_millions(found["overdue_brl"], "Overdue by state of the buyer")


def plot_millions(amounts: pd.Series, title: str) -> None:
    plots.bars(amounts.astype(float) / MILLION, title, "million BRL", plots.VERMILION)
    plt.show()


def quarantined(run: Run) -> pd.DataFrame:
    """Rows kept out of gold by source and reason; a row with two faults counts under both."""
    return query(
        run,
        """
        SELECT source, reason, count(*) AS n_rows, sum(expected_amount) AS expected_brl
        FROM `{silver}.quarantine` GROUP BY source, reason ORDER BY source, n_rows DESC
        """,
    )


def finish(run: Run, result_path: str, monitoring: dict[str, Any]) -> dict[str, Any]:
    return run.finish(
        "05_report",
        result_path,
        status="done",
        business_date=run.business_date,
        monitoring=monitoring,
    )


def query(run: Run, sql: str) -> pd.DataFrame:
    """The result of one aggregate; NUMERIC as floats, exact to the cent up to 45 trillion BRL."""
    datasets = {
        layer: f"{run.settings.gcp_project}.{run.settings.dataset(layer)}"
        for layer in ("silver", "gold")
    }
    frame = run.warehouse.query_arrow(sql.format(**datasets)).to_pandas()
    for column in frame.columns[frame.map(lambda value: isinstance(value, Decimal)).any()]:
        frame[column] = frame[column].astype(float)
    return frame


def read_results(run: Run, source: str) -> dict[str, list[dict[str, Any]]]:
    """The results of each step that a source has in this run so far, slice by slice."""
    folders = [run.folder / source, *sorted(run.folder.glob(f"slices/*/{source}"))]
    names = ("01_extract", "02_land", "03_load", "04_transform")
    paths = {name: [folder / f"{name}.json" for folder in folders] for name in names}
    return {
        name: [json.loads(path.read_text("utf-8")) for path in found if path.exists()]
        for name, found in paths.items()
    }


def rows_of(results: dict[str, list[dict[str, Any]]], step: str) -> int:
    return sum(result["rows"] for result in results[step])


def money(amount: Any) -> str:
    return f"{amount:,.2f}"
