"""05: the plots of the report, readable in print and by colour-blind people."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from credix.steps import plots

MILLION = 1e6
VERDICTS = {
    "pass": (plots.GREEN, ""),
    "warn": (plots.ORANGE, "///"),
    "fail": (plots.VERMILION, "xxx"),
}


def plot_rows(figures: pd.DataFrame) -> None:
    """The rows of each step, side by side for each source: equal bars are what should be seen."""
    steps = ["extracted", "landed", "loaded", "merged"]
    table = figures.set_index("source")[steps].astype(float)
    plots.grouped_bars(table, "Rows by step", "rows")
    plt.show()


def plot_tiers(now: pd.DataFrame, before: dict[str, Any] | None) -> None:
    """Companies by tier, beside those of an earlier gold."""
    companies = now["companies"].astype(int)
    if before is None:
        plots.bars(companies, "Companies by payment tier", "companies")
    else:
        earlier = pd.Series(before["tiers"], dtype=float).reindex(companies.index, fill_value=0)
        table = pd.DataFrame({"before": earlier, "now": companies.astype(float)})
        plots.grouped_bars(table, "Companies by payment tier", "companies")
    plt.show()


def plot_ageing(found: pd.DataFrame) -> None:
    plot_millions(found["overdue_brl"], "Overdue by days since the due date")


def plot_overdue_by_uf(found: pd.DataFrame) -> None:
    plot_millions(found["overdue_brl"], "Overdue by state of the buyer")


def plot_millions(amounts: pd.Series, title: str) -> None:
    plots.bars(amounts.astype(float) / MILLION, title, "million BRL", plots.VERMILION)
    plt.show()


def plot_exposures(found: pd.DataFrame) -> None:
    """What each of the largest buyers owes: overdue and not yet due, stacked."""
    overdue = found["overdue_brl"].astype(float) / MILLION
    pending = found["outstanding_brl"].astype(float) / MILLION - overdue
    labels = [f"{rank}. {tier}" for rank, tier in enumerate(found["tier"], 1)]
    table = pd.DataFrame({"overdue": overdue.to_numpy(), "not yet due": pending.to_numpy()}, labels)
    looks = {"overdue": (plots.VERMILION, "///"), "not yet due": (plots.BLUE, "")}
    plots.stacked_bars(table, looks, "Largest exposures", "million BRL")
    plt.show()


def plot_tests(by_layer: pd.DataFrame) -> None:
    """How many tests of dbt hold, by layer."""
    plots.stacked_bars(by_layer, VERDICTS, "Tests of dbt by layer", "tests")
    plt.show()
