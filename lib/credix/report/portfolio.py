"""05: the figures of the portfolio, as aggregates of gold. No row, no name."""

from decimal import Decimal

import pandas as pd

from credix.core.masking import mask_tax_number
from credix.state.run import Run

TIERS = ["EXCELLENT", "GOOD", "FAIR", "POOR", "HIGH_RISK", "NO_HISTORY"]
# In the order and with the bounds of the CASE in `ageing`.
AGES = ["1-30", "31-60", "61-90", "91-180", "over 180"]
LARGEST = 10
# How a figure is called, and how it is written.
FIGURES = {
    "installments": ("installments", "{:,.0f}"),
    "buyers": ("buyers", "{:,.0f}"),
    "expected": ("expected (BRL)", "{:,.2f}"),
    "paid": ("paid (BRL)", "{:,.2f}"),
    "outstanding": ("outstanding (BRL)", "{:,.2f}"),
    "overdue": ("of it overdue (BRL)", "{:,.2f}"),
    "overdue_percent": ("overdue, % of expected", "{:.2f}"),
    "recovery_percent": ("recovered, % of expected", "{:.2f}"),
}
# What the report writes above a column.
HEADINGS = {
    "average_risk_score": "average risk score",
    "expected_brl": "expected (BRL)",
    "n_rows": "rows",
    "outstanding_brl": "outstanding (BRL)",
    "overdue_brl": "overdue (BRL)",
    "overdue_installments": "overdue installments",
    "overdue_percent": "overdue, % of expected",
    "percent": "% of all outstanding",
    "uf": "state",
}


def key_figures(run: Run) -> dict[str, float]:
    """Return numbers, and amounts in BRL, over all valid installments as of the business day."""
    found = query(
        run,
        """
        SELECT count(*) AS installments,
               count(DISTINCT buyer_tax_id) AS buyers,
               coalesce(sum(expected_amount), 0) AS expected,
               coalesce(sum(paid_amount), 0) AS paid,
               coalesce(sum(IF(payment_status = 'OVERDUE', expected_amount, 0)), 0) AS overdue,
               coalesce(sum(IF(payment_status IN ('PENDING', 'AWAITING_CONFIRMATION'),
                               expected_amount, 0)), 0) AS pending
        FROM `{gold}.payment_analytics_detailed`
        """,
    ).iloc[0]
    return derive({str(name): float(value) for name, value in found.items()})


def derive(sums: dict[str, float]) -> dict[str, float]:
    """Add the rates to the sums; a rate whose divisor is zero is zero."""
    return {
        **sums,
        "outstanding": sums["overdue"] + sums["pending"],
        "overdue_percent": percent(sums["overdue"], sums["expected"]),
        "recovery_percent": percent(sums["paid"], sums["expected"]),
    }


def percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def tiers(run: Run) -> pd.DataFrame:
    """Return one line per payment tier, from the best: companies, amounts in BRL, average score."""
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


def ageing(run: Run) -> pd.DataFrame:
    """Return overdue installments by the days since they fell due: number and BRL."""
    found = query(
        run,
        """
        SELECT CASE WHEN days_from_due_date <= 30 THEN '1-30'
                    WHEN days_from_due_date <= 60 THEN '31-60'
                    WHEN days_from_due_date <= 90 THEN '61-90'
                    WHEN days_from_due_date <= 180 THEN '91-180'
                    ELSE 'over 180' END AS days_overdue,
               count(*) AS installments, sum(expected_amount) AS overdue_brl
        FROM `{gold}.payment_analytics_detailed`
        WHERE payment_status = 'OVERDUE' GROUP BY days_overdue
        """,
    ).set_index("days_overdue")
    return found.reindex(AGES, fill_value=0).rename_axis("days overdue")


def overdue_by_uf(run: Run) -> pd.DataFrame:
    """Return number, BRL and share of what is overdue by state, the largest amount first."""
    return query(
        run,
        """
        SELECT coalesce(standardized_uf, 'unknown') AS uf,
               countif(payment_status = 'OVERDUE') AS overdue_installments,
               sum(IF(payment_status = 'OVERDUE', expected_amount, 0)) AS overdue_brl,
               round(100 * sum(IF(payment_status = 'OVERDUE', expected_amount, 0))
                     / nullif(sum(expected_amount), 0), 2) AS overdue_percent
        FROM `{gold}.payment_analytics_detailed` GROUP BY uf ORDER BY overdue_brl DESC, uf
        """,
    ).set_index("uf")


def largest_exposures(run: Run) -> pd.DataFrame:
    """Return the buyers that owe the most in BRL and percent, with masked tax numbers."""
    found = query(
        run,
        f"""
        SELECT buyer_tax_id AS buyer, standardized_uf AS uf, company_size AS size,
               payment_tier AS tier, overdue_amount + pending_amount AS outstanding_brl,
               overdue_amount AS overdue_brl,
               round(100 * (overdue_amount + pending_amount)
                     / nullif(sum(overdue_amount + pending_amount) OVER (), 0), 2) AS percent
        FROM `{{gold}}.company_payment_summary`
        WHERE overdue_amount + pending_amount > 0
        ORDER BY outstanding_brl DESC, buyer LIMIT {LARGEST}
        """,
    )
    return found.assign(buyer=[mask_tax_number(str(buyer)) for buyer in found["buyer"]])


def quarantined(run: Run) -> pd.DataFrame:
    """Return rows kept out of gold by source and reason.

    A row with two faults counts under both.
    """
    return query(
        run,
        """
        SELECT source, reason, count(*) AS n_rows, sum(expected_amount) AS expected_brl
        FROM `{silver}.quarantine` GROUP BY source, reason ORDER BY source, n_rows DESC
        """,
    )


def query(run: Run, sql: str) -> pd.DataFrame:
    """Return the result of one aggregate.

    NUMERIC as floats, exact to the cent up to 45 trillion BRL.
    """
    datasets = {
        layer: f"{run.settings.gcp_project}.{run.settings.dataset(layer)}"
        for layer in ("silver", "gold")
    }
    frame = run.warehouse.query_arrow(sql.format(**datasets)).to_pandas()
    for column in frame.columns[frame.map(lambda value: isinstance(value, Decimal)).any()]:
        frame[column] = frame[column].astype(float)
    return frame
