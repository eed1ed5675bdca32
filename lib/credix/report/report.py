"""05: what the report shows, in the order in which it shows it."""

from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from credix.core.errors import SettingsError
from credix.report import tables
from credix.report.earlier_figures import remember, told_at
from credix.report.facts import (
    SourceFacts,
    dbt_tests,
    freshness,
    run_figures,
    source_facts,
    verdicts_by_layer,
)
from credix.report.portfolio import (
    TIERS,
    ageing,
    key_figures,
    largest_exposures,
    overdue_by_uf,
    quarantined,
    tiers,
)
from credix.report.report_charts import (
    plot_ageing,
    plot_exposures,
    plot_lags,
    plot_overdue_by_uf,
    plot_portfolio,
    plot_quarantined,
    plot_rows,
    plot_tests,
    plot_tiers,
)
from credix.report.verdict import Verdict, judge, show_verdict
from credix.state import run as context
from credix.state.run import Run, today

__all__ = [
    "ageing",
    "compare_figures",
    "compare_tiers",
    "dbt_tests",
    "finish",
    "freshness",
    "judge_gold",
    "key_figures",
    "largest_exposures",
    "overdue_by_uf",
    "plot_ageing",
    "plot_exposures",
    "plot_lags",
    "plot_overdue_by_uf",
    "plot_portfolio",
    "plot_quarantined",
    "plot_rows",
    "plot_tests",
    "plot_tiers",
    "quarantined",
    "remember_figures",
    "resume_run",
    "run_figures",
    "show_verdict",
    "source_facts",
    "table",
    "tests_that_do_not_pass",
    "tiers",
    "verdicts_by_layer",
]

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


def resume_run(source: str, run_folder: str) -> Run:
    """The run of that folder, or the latest one opened by hand.

    Raises SettingsError where there is no gold yet that it could report on.
    """
    run = context.find_run(source, run_folder)
    if not run.warehouse.tables("gold", "company_payment_summary"):
        raise SettingsError(
            f"There is nothing to report on: {run.settings.dataset('gold')} has no tables yet. "
            "./run_pipeline.py run full builds them; by hand, 04_transform does."
        )
    return run


def judge_gold(
    run: Run,
    sources: list[SourceFacts],
    tests: list[dict[str, Any]],
    monitoring: dict[str, Any],
) -> Verdict:
    """May today's numbers be used?"""
    return judge(
        business_date=run.states.read_gold().business_date,
        today=today(run.settings),
        sources=sources,
        tests=tests,
        monitoring=monitoring,
        quarantined=int(quarantined(run)["n_rows"].sum()),
    )


def remember_figures(
    run: Run, figures: dict[str, float], by_tier: pd.DataFrame
) -> dict[str, Any] | None:
    """Keep these figures for the next report; those of an earlier gold."""
    companies = {str(tier): int(count) for tier, count in by_tier["companies"].items()}
    return remember(run, {"portfolio": figures, "tiers": companies})


def compare_figures(now: dict[str, float], before: dict[str, Any] | None) -> pd.DataFrame:
    """The figures of the portfolio, and what has moved since an earlier gold."""
    lines = []
    for name, (title, form) in FIGURES.items():
        line = {"figure": title, "now": form.format(now[name])}
        if before is not None:
            line[since(before)] = signed(now[name] - before["portfolio"].get(name, 0), form)
        lines.append(line)
    return pd.DataFrame(lines)


def compare_tiers(now: pd.DataFrame, before: dict[str, Any] | None) -> pd.DataFrame:
    """The tiers, and how many companies each has won or lost since an earlier gold."""
    if before is None:
        return now
    known = [tier for tier in TIERS if tier in now.index or before["tiers"].get(tier)]
    compared = now.reindex(known)
    compared["companies"] = compared["companies"].fillna(0)
    earlier = pd.Series(before["tiers"], dtype=float).reindex(known, fill_value=0)
    moved = [signed(value, "{:,.0f}") for value in compared["companies"] - earlier]
    compared.insert(1, since(before), moved)
    return compared


def since(before: dict[str, Any]) -> str:
    """The heading of what has moved."""
    return f"since {told_at(before)}"


def signed(moved: float, form: str) -> str:
    """`+50.00`; what has not moved is `=`."""
    text = form.replace("{:", "{:+").format(moved)
    return text if any(digit in text for digit in "123456789") else "="


def table(frame: pd.DataFrame) -> Styler:
    """The frame under headings that people read; what has moved stands below its heading."""
    named = frame if frame.index.name is None else frame.reset_index()
    moved = [column for column in named.columns if column == "now" or column.startswith("since ")]
    return tables.table(named.rename(columns=HEADINGS), right=moved)


def tests_that_do_not_pass(tests: list[dict[str, Any]]) -> pd.DataFrame:
    """Layer, name, status, failures and message of each test that warns or fails."""
    columns = ["layer", "name", "table", "status", "failures", "message"]
    loud = [test for test in tests if test["status"] != "pass"]
    return pd.DataFrame(loud, columns=columns)


def finish(
    run: Run, result_path: str, verdict: Verdict, monitoring: dict[str, Any]
) -> dict[str, Any]:
    """Write the step result, with the verdict for the alerts and the page of all runs."""
    return run.finish(
        "05_report",
        result_path,
        status="done",
        business_date=run.business_date,
        verdict=verdict.answer,
        monitoring=monitoring,
    )
