"""05: may today's numbers be used, what did this run replicate, how does the portfolio look?

Each `show_…` only shows: where it fails, a note takes its place and the run goes on.
"""

from dataclasses import dataclass
from importlib import import_module

import pandas as pd
from IPython.display import display
from pandas.io.formats.style import Styler

from credix.clients.dbt.project import project_fingerprint
from credix.core.errors import SettingsError
from credix.core.results import Monitoring, ReportResult
from credix.report import (
    dbt_docs,
    earlier_figures,
    facts,
    monitoring,
    portfolio,
    report_charts,
    verdict,
)
from credix.state.run import Run, find_run, today
from credix.workbook import show


@dataclass(frozen=True)
class Judgement:
    """The verdict on gold, and what it is based on."""

    verdict: verdict.Verdict
    sources: list[facts.SourceFacts]
    tests: list[facts.LayerTest]
    monitoring: Monitoring


@dataclass(frozen=True)
class Figures:
    """The portfolio's amounts and tiers now, and those of an earlier gold, if there was one."""

    portfolio: dict[str, float]
    tiers: pd.DataFrame
    before: earlier_figures.GoldFigures | None


def warm_up() -> None:
    """Import what the cells need later, while the kernel waits for its turn."""
    for name in ("credix.clients.bigquery.warehouse", "credix.clients.gcs.lake"):
        import_module(name)


def resume_run(source: str, run_folder: str) -> Run:
    """Return the run of that folder, or the latest one opened by hand.

    Args:
        source: Not used by a report, which covers every source; may be empty.
        run_folder: The run's folder; empty: that of the latest run opened by hand.

    Raises:
        SettingsError: There is no such run, or no gold yet that it could report on.
    """
    run = find_run(source, run_folder)
    if not run.warehouse.tables("gold", "company_payment_summary"):
        raise SettingsError(
            f"There is nothing to report on: {run.settings.dataset('gold')} has no tables yet. "
            "./run_pipeline.py run full builds them; by hand, 04_transform does."
        )
    return run


def judge_gold(run: Run) -> Judgement:
    """Run the monitors, decide whether today's numbers can be used, and show the verdict.

    Returns:
        The verdict, with the facts of each source, dbt's tests and Elementary's monitors that it
        is based on. A fault of Elementary is part of the result and fails no run.
    """
    sources, tests = facts.source_facts(run), facts.dbt_tests(run)
    watched = monitoring.monitor(run)
    gold = run.states.read_gold()
    found = verdict.judge(
        business_date=gold.business_date,
        has_rules_of_project=gold.fingerprint == project_fingerprint(),
        today=today(run.settings),
        sources=sources,
        tests=tests,
        monitoring=watched,
        quarantined=portfolio.kept_out(portfolio.quarantined(run)),
    )
    display(verdict.show_verdict(found))
    return Judgement(found, sources, tests, watched)


@show.optional("The months")
def show_months(run: Run) -> None:
    """Show what is owed and overdue now, its change since the last month-end, and the year."""
    months = portfolio.months(run)
    display(table(portfolio.month_by_month(months)))
    report_charts.plot_months(months)


@show.optional("The receipts")
def show_receipts(run: Run) -> None:
    """Show what falls due in the next weeks, and what of it is usually paid."""
    receipts = portfolio.receipts(run)
    report_charts.plot_receipts(receipts)
    display(table(receipts))


@show.optional("The rows by step")
def show_rows(judgement: Judgement) -> None:
    """Show the rows that were extracted, landed, loaded and merged, by source and repair."""
    figures = facts.run_figures(judgement.sources)
    report_charts.plot_rows(figures)
    display(table(figures))


@show.optional("The freshness")
def show_freshness(judgement: Judgement) -> None:
    """Show up to when gold is complete, and how long the last changes took to get there."""
    report_charts.plot_lags(judgement.sources)
    display(table(facts.freshness(judgement.sources)))


@show.optional("The portfolio")
def show_portfolio(run: Run) -> Figures | None:
    """Show the amounts of the portfolio and what has moved since an earlier gold.

    Keeps the figures of this gold in the lake, for the next report to compare with.

    Returns:
        The figures, for `show_tiers`; None where they could not be read.
    """
    now, tiers = portfolio.key_figures(run), portfolio.tiers(run)
    companies = {str(tier): int(count) for tier, count in tiers["companies"].items()}
    before = earlier_figures.remember(run, now, companies)
    figures = Figures(now, tiers, before)
    with show.optional("The amounts"):
        report_charts.plot_portfolio(now)
        display(table(earlier_figures.compare_figures(now, before)))
    return figures


@show.optional("The tiers")
def show_tiers(figures: Figures | None) -> None:
    """Show the companies of each risk tier, what they owe, and what has moved."""
    if figures is None:
        print("The tiers are not shown: the figures of the portfolio could not be read.")
        return
    report_charts.plot_tiers(figures.tiers, figures.before)
    display(table(earlier_figures.compare_tiers(figures.tiers, figures.before)))


@show.optional("The ageing")
def show_ageing(run: Run) -> None:
    """Show what is overdue, by the days since it fell due."""
    ageing = portfolio.ageing(run)
    report_charts.plot_ageing(ageing)
    display(table(ageing))


@show.optional("What is overdue by state")
def show_overdue_by_state(run: Run) -> None:
    """Show what is overdue in each state; the table has the ten largest."""
    by_uf = portfolio.overdue_by_uf(run)
    report_charts.plot_overdue_by_uf(by_uf)
    display(table(by_uf.head(10)))


@show.optional("The exposures")
def show_exposures(run: Run) -> None:
    """Show the buyers that owe the most; of a tax number only the check digits."""
    exposures = portfolio.largest_exposures(run)
    report_charts.plot_exposures(exposures)
    display(table(exposures))


@show.optional("The tests")
def show_tests(judgement: Judgement) -> None:
    """Show dbt's tests by layer, and those that do not pass."""
    report_charts.plot_tests(facts.verdicts_by_layer(judgement.tests))
    display(table(facts.tests_that_do_not_pass(judgement.tests)))


@show.optional("The quarantine")
def show_quarantine(run: Run) -> None:
    """Show the rows that are kept out of gold or suspicious, by source and reason."""
    quarantined = portfolio.quarantined(run)
    report_charts.plot_quarantined(quarantined)
    display(table(quarantined))


@show.optional("The monitors")
def show_monitors(judgement: Judgement) -> None:
    """Show what each monitor of Elementary has found, or why there are none."""
    display(show.table(monitoring.as_table(judgement.monitoring)))


def publish_catalog(run: Run) -> dbt_docs.Catalog:
    """Publish dbt's catalog once a business day, and whenever a model changes.

    Returns:
        `status` (published, current, failed or absent), the address of the `page`, and a `reason`
        where there is none: documents fail no run.
    """
    return dbt_docs.publish_catalog(run)


@show.optional("The addresses")
def show_addresses(run: Run, judgement: Judgement, catalog: dbt_docs.Catalog) -> None:
    """Show the addresses of the page of all runs, of dbt's catalog and of Elementary's page."""
    addresses = dbt_docs.addresses(run, judgement.monitoring, catalog)
    display(show.table(addresses, links=["address"]))


def finish(run: Run, judgement: Judgement, result_path: str) -> ReportResult:
    """Write the step result, with the verdict for the alerts and the page of all runs; show it.

    Args:
        run: The run that `resume_run` has returned.
        judgement: What `judge_gold` has returned.
        result_path: File of the step result; empty: in the run folder.
    """
    reported = ReportResult(
        status="done",
        business_date=run.business_date,
        verdict=judgement.verdict.answer,
        monitoring=judgement.monitoring,
    )
    result = run.finish(reported, result_path)
    display(show.describe_result(result))
    return result


def table(frame: pd.DataFrame) -> Styler:
    """Return the frame under headings that people read; what has moved is aligned to the right."""
    named = frame if frame.index.name is None else frame.reset_index()
    moved = [
        column
        for column in named.columns
        if column in ("now", "change") or str(column).startswith(("since ", "on "))
    ]
    return show.table(named.rename(columns=portfolio.HEADINGS), right=moved)
