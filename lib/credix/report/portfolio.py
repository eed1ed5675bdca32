"""05: the figures of the portfolio, as aggregates of gold. No row, no name."""

from decimal import Decimal

import pandas as pd

from credix.core.masking import mask_tax_number
from credix.state.run import Run

TIERS = ["EXCELLENT", "GOOD", "FAIR", "POOR", "HIGH_RISK", "NO_HISTORY"]
# In the order and with the bounds of the CASE in `ageing`.
AGES = ["1-30", "31-60", "61-90", "91-180", "over 180"]
LARGEST = 10
WEEKS = 8
# What the first page compares with the month-end before.
MONTH_FIGURES = {
    "outstanding": ("outstanding (BRL)", "{:,.2f}"),
    "overdue": ("of it overdue (BRL)", "{:,.2f}"),
    "overdue_percent": ("overdue, % of outstanding", "{:.2f}"),
    "from_15_to_90_percent": ("NPL 15 to 90 days with drag, % of outstanding", "{:.2f}"),
    "over_90_percent": ("NPL over 90 days with drag, % of outstanding", "{:.2f}"),
}
# How a figure is called, and how it is written.
FIGURES = {
    "installments": ("installments", "{:,.0f}"),
    "buyers": ("buyers", "{:,.0f}"),
    "expected": ("expected (BRL)", "{:,.2f}"),
    "paid": ("paid (BRL)", "{:,.2f}"),
    "outstanding": ("outstanding (BRL)", "{:,.2f}"),
    "overdue": ("of it overdue (BRL)", "{:,.2f}"),
    "over_90": ("of it more than 90 days overdue (BRL)", "{:,.2f}"),
    "overdue_of_outstanding": ("overdue, % of outstanding", "{:.2f}"),
    "over_90_of_outstanding": ("more than 90 days overdue, % of outstanding", "{:.2f}"),
    "overdue_of_expected": ("overdue, % of all ever issued", "{:.2f}"),
    "recovery_percent": ("collected, % of all ever issued", "{:.2f}"),
}
# What the report writes above a column.
HEADINGS = {
    "average_risk_score": "average risk score",
    "due_brl": "falls due (BRL)",
    "expected_brl": "expected (BRL)",
    "n_rows": "rows",
    "outstanding_brl": "outstanding (BRL)",
    "overdue_brl": "overdue (BRL)",
    "overdue_installments": "overdue installments",
    "overdue_percent": "overdue, % of outstanding",
    "percent": "% of all outstanding",
    "uf": "state",
    "usually_paid_brl": "of it usually paid (BRL)",
    "week": "week of",
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
               coalesce(sum(outstanding_amount), 0) AS outstanding,
               coalesce(sum(IF(days_past_due > 0, outstanding_amount, 0)), 0) AS overdue,
               coalesce(sum(IF(days_past_due > 90, outstanding_amount, 0)), 0) AS over_90
        FROM `{gold}.payment_analytics_detailed`
        """,
    ).iloc[0]
    return derive({str(name): float(value) for name, value in found.items()})


def derive(sums: dict[str, float]) -> dict[str, float]:
    """Add the rates to the sums; a rate whose divisor is zero is zero."""
    return {
        **sums,
        "pending": round(sums["outstanding"] - sums["overdue"], 2),
        "overdue_of_outstanding": percent(sums["overdue"], sums["outstanding"]),
        "over_90_of_outstanding": percent(sums["over_90"], sums["outstanding"]),
        "overdue_of_expected": percent(sums["overdue"], sums["expected"]),
        "recovery_percent": percent(sums["paid"], sums["expected"]),
    }


def percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def months(run: Run) -> pd.DataFrame:
    """Return what was owed at each month-end of the last 36 and now, the oldest first.

    One line per day: BRL outstanding, overdue and with drag by invoice, and percent of outstanding.
    """
    found = query(
        run,
        """
        SELECT as_of, sum(outstanding_amount) AS outstanding, sum(overdue_amount) AS overdue,
               sum(from_15_to_90_with_drag_amount) AS from_15_to_90,
               sum(over_90_with_drag_amount) AS over_90
        FROM `{gold}.portfolio_monthly` GROUP BY as_of ORDER BY as_of
        """,
    ).set_index("as_of")
    for name in ("overdue", "from_15_to_90", "over_90"):
        share = 100 * found[name].astype(float) / found["outstanding"].astype(float)
        found[f"{name}_percent"] = share.round(2)
    return found


def month_by_month(found: pd.DataFrame) -> pd.DataFrame:
    """Return the figures of `months` now, at the month-end before, and what has changed."""
    lines = []
    now = found.iloc[-1] if len(found) else None
    before = found.iloc[-2] if len(found) > 1 else None
    for name, (title, form) in MONTH_FIGURES.items():
        line = {"figure": title, "now": form.format(now[name]) if now is not None else ""}
        if now is not None and before is not None:
            line[f"on {found.index[-2]}"] = form.format(before[name])
            line["change"] = form.replace("{:", "{:+").format(now[name] - before[name])
        lines.append(line)
    return pd.DataFrame(lines)


def receipts(run: Run) -> pd.DataFrame:
    """Return BRL that fall due and are usually paid in the next weeks, by the Monday of each."""
    found = query(
        run,
        """
        SELECT receipt_week AS week, sum(installments) AS installments,
               sum(contractual_amount) AS due_brl,
               sum(coalesce(expected_amount, 0)) AS usually_paid_brl
        FROM `{gold}.expected_receipts` GROUP BY week ORDER BY week
        """,
    )
    return found.head(WEEKS).set_index("week")


def tiers(run: Run) -> pd.DataFrame:
    """Return one line per payment tier, from the best: companies, amounts in BRL, average score."""
    found = query(
        run,
        """
        SELECT payment_tier AS tier, count(*) AS companies,
               sum(total_expected_amount) AS expected_brl,
               sum(outstanding_amount) AS outstanding_brl,
               sum(overdue_outstanding_amount) AS overdue_brl,
               round(avg(risk_score), 1) AS average_risk_score
        FROM `{gold}.company_payment_summary` GROUP BY payment_tier
        """,
    )
    return found.set_index("tier").reindex(TIERS).dropna(subset=["companies"])


def ageing(run: Run) -> pd.DataFrame:
    """Return what is overdue by the days since it fell due: installments, and BRL still owed."""
    found = query(
        run,
        """
        SELECT CASE WHEN days_past_due <= 30 THEN '1-30'
                    WHEN days_past_due <= 60 THEN '31-60'
                    WHEN days_past_due <= 90 THEN '61-90'
                    WHEN days_past_due <= 180 THEN '91-180'
                    ELSE 'over 180' END AS days_overdue,
               count(*) AS installments, sum(outstanding_amount) AS overdue_brl
        FROM `{gold}.payment_analytics_detailed`
        WHERE days_past_due > 0 GROUP BY days_overdue
        """,
    ).set_index("days_overdue")
    return found.reindex(AGES, fill_value=0).rename_axis("days overdue")


def overdue_by_uf(run: Run) -> pd.DataFrame:
    """Return number, BRL and share of what is owed of the overdue, by state, the largest first."""
    return query(
        run,
        """
        SELECT coalesce(standardized_uf, 'unknown') AS uf,
               countif(days_past_due > 0) AS overdue_installments,
               sum(outstanding_amount) AS outstanding_brl,
               sum(IF(days_past_due > 0, outstanding_amount, 0)) AS overdue_brl,
               round(100 * sum(IF(days_past_due > 0, outstanding_amount, 0))
                     / nullif(sum(outstanding_amount), 0), 2) AS overdue_percent
        FROM `{gold}.payment_analytics_detailed` GROUP BY uf ORDER BY overdue_brl DESC, uf
        """,
    ).set_index("uf")


def largest_exposures(run: Run) -> pd.DataFrame:
    """Return the buyers that owe the most in BRL and percent, with masked tax numbers."""
    found = query(
        run,
        f"""
        SELECT buyer_tax_id AS buyer, coalesce(standardized_uf, 'unknown') AS uf,
               coalesce(company_size, 'unknown') AS size,
               payment_tier AS tier, outstanding_amount AS outstanding_brl,
               overdue_outstanding_amount AS overdue_brl,
               round(100 * outstanding_amount
                     / nullif(sum(outstanding_amount) OVER (), 0), 2) AS percent
        FROM `{{gold}}.company_payment_summary`
        WHERE outstanding_amount > 0
        ORDER BY outstanding_brl DESC, buyer LIMIT {LARGEST}
        """,
    )
    return found.assign(buyer=[mask_tax_number(str(buyer)) for buyer in found["buyer"]])


def quarantined(run: Run) -> pd.DataFrame:
    """Return rows that are kept out of gold (ERROR) or suspicious (WARNING), by source and reason.

    A row with two faults counts under both.
    """
    return query(
        run,
        """
        SELECT severity, source, reason, count(*) AS n_rows, sum(expected_amount) AS expected_brl
        FROM `{silver}.quarantine` GROUP BY severity, source, reason
        ORDER BY severity, source, n_rows DESC, reason
        """,
    )


def kept_out(found: pd.DataFrame) -> int:
    """Return how many faults of `quarantined` keep a row out of gold."""
    return int(found.loc[found["severity"] == "ERROR", "n_rows"].sum())


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
