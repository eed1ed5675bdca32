"""05: the plots of the report."""

from itertools import cycle

import pandas as pd

from credix.core.freshness import DAY, HOUR, MINUTE, bounds_in_words
from credix.report import charts
from credix.report.earlier_figures import GoldFigures, tested_at
from credix.report.facts import SourceFacts

MONEY = {"million BRL": 1e6, "thousand BRL": 1e3}
OVERDUE = (charts.VERMILION, "///")
PENDING = (charts.BLUE, "")
VERDICTS = {
    "pass": (charts.GREEN, ""),
    "warn": (charts.ORANGE, "///"),
    "fail": (charts.VERMILION, "xxx"),
}


def plot_rows(figures: pd.DataFrame) -> None:
    """Plot the rows of each step, side by side for each source: equal bars are expected."""
    steps = ["extracted", "landed", "loaded", "merged"]
    charts.grouped_bars(figures.set_index("source")[steps], "Rows by step", "rows")


def plot_lags(facts: list[SourceFacts]) -> None:
    """Plot the bounds of the time that the last changes of each source took to gold."""
    lags = {source.name: source.lag for source in facts if source.lag}
    longest = max((lag.at_most or lag.at_least for lag in lags.values()), default=0)
    unit, seconds = time_unit(longest)
    bounds = {
        name: (lag.at_least / seconds, lag.at_most / seconds if lag.at_most else None)
        for name, lag in lags.items()
    }
    labels = [bounds_in_words(lag) for lag in lags.values()]
    charts.spans(bounds, "From commit to gold, the changes that came last", unit, labels)


def time_unit(longest: float) -> tuple[str, int]:
    """Return the unit in which a duration is a small number, and its seconds."""
    units = {"days": DAY, "hours": HOUR, "minutes": MINUTE}
    fitting = [(name, seconds) for name, seconds in units.items() if longest > 2 * seconds]
    return fitting[0] if fitting else ("seconds", 1)


def money_unit(largest: float) -> tuple[str, float]:
    """Return the unit in which an amount of BRL is a number of few digits, and its BRL."""
    fitting = [(name, brl) for name, brl in MONEY.items() if largest >= brl]
    return fitting[0] if fitting else ("BRL", 1.0)


def plot_portfolio(now: dict[str, float]) -> None:
    """Plot how much of the expected amount is settled, overdue or not yet due."""
    settled = now["expected"] - now["outstanding"]
    parts = {"settled": settled, "overdue": now["overdue"], "not yet due": now["pending"]}
    looks = {"settled": (charts.GREEN, "..."), "overdue": OVERDUE, "not yet due": PENDING}
    whole = now["expected"]
    unit, brl = money_unit(max(parts.values()))
    amounts = pd.DataFrame(0.0, index=list(parts), columns=list(parts))
    for name, amount in parts.items():
        amounts.loc[name, name] = amount / brl
    labels = [
        with_share(amount / brl, 100 * amount / whole if whole else 0) for amount in parts.values()
    ]
    charts.horizontal_stacked_bars(amounts, looks, "The expected amount today", unit, labels)


def plot_months(found: pd.DataFrame) -> None:
    """Plot how much of what is owed was long overdue at each month-end of a year, and now."""
    shares = found["over_90_percent"].astype(float).tail(13)
    shares.index = [str(day) for day in shares.index]
    charts.bars(
        shares,
        "More than 90 days overdue, with drag by invoice",
        "% of outstanding",
        charts.VERMILION,
    )


def plot_receipts(found: pd.DataFrame) -> None:
    """Plot what falls due in the next weeks, and what is usually paid of it."""
    amounts = found[["due_brl", "usually_paid_brl"]].astype(float)
    unit, brl = money_unit(amounts["due_brl"].max())
    amounts = (amounts / brl).rename(
        columns={"due_brl": "falls due", "usually_paid_brl": "usually paid"}
    )
    amounts.index = [f"{day:%d %b}" for day in amounts.index]
    charts.grouped_bars(amounts, "To come in, by the Monday of the week", unit)


def plot_tiers(now: pd.DataFrame, before: GoldFigures | None) -> None:
    """Plot the companies by tier, beside those of an earlier gold."""
    # Names of two words do not fit beside each other.
    companies = now["companies"].astype(float).rename(split_name)
    title, unit = "Companies by payment tier", "companies"
    if before is None:
        charts.bars(companies, title, unit)
        return
    earlier = pd.Series(before.tiers, dtype=float).rename(split_name)
    earlier = earlier.reindex(companies.index, fill_value=0)
    charts.grouped_bars(pd.DataFrame({tested_at(before): earlier, "now": companies}), title, unit)


def split_name(tier: str) -> str:
    return tier.replace("_", "\n")


def plot_ageing(found: pd.DataFrame) -> None:
    """Plot what is overdue by the days since it fell due."""
    amounts = found["overdue_brl"].astype(float)
    unit, brl = money_unit(amounts.max())
    charts.bars(amounts / brl, "Overdue by days since the due date", unit, charts.VERMILION)


def plot_overdue_by_uf(found: pd.DataFrame) -> None:
    """Plot what is overdue in each state, and how much of what is owed there that is."""
    shares = found["overdue_percent"].astype(float).fillna(0)
    unit, brl = money_unit(found["overdue_brl"].astype(float).max())
    amounts = pd.DataFrame({"overdue": found["overdue_brl"].astype(float) / brl})
    labels = [with_share(*each) for each in zip(amounts["overdue"], shares, strict=True)]
    title = "Overdue by state of the buyer, and its share of what is owed"
    charts.horizontal_stacked_bars(amounts, {"overdue": OVERDUE}, title, unit, labels)


def plot_exposures(found: pd.DataFrame) -> None:
    """Plot what each of the largest buyers owes: overdue and not yet due, stacked."""
    outstanding = found["outstanding_brl"].astype(float)
    unit, brl = money_unit(outstanding.max())
    overdue = found["overdue_brl"].astype(float) / brl
    pending = outstanding / brl - overdue
    names = zip(found["buyer"], found["uf"], found["tier"], strict=True)
    index = [f"…{buyer[-3:]} {uf} {tier}" for buyer, uf, tier in names]
    labels = [
        with_share(*each)
        for each in zip(outstanding / brl, found["percent"].astype(float), strict=True)
    ]
    amounts = {"overdue": overdue.to_numpy(), "not yet due": pending.to_numpy()}
    table = pd.DataFrame(amounts, index=index)
    looks = {"overdue": OVERDUE, "not yet due": PENDING}
    charts.horizontal_stacked_bars(
        table, looks, "Largest exposures, and their share of all that is outstanding", unit, labels
    )


def plot_tests(by_layer: pd.DataFrame) -> None:
    """Plot how many tests of dbt pass, by layer."""
    layers = by_layer[by_layer.sum(axis=1) > 0]
    labels = [
        ", ".join(f"{count} {verdict}" for verdict, count in line.items() if count)
        for _, line in layers.iterrows()
    ]
    charts.horizontal_stacked_bars(layers, VERDICTS, "Tests of dbt by layer", "tests", labels)


def plot_quarantined(found: pd.DataFrame) -> None:
    """Plot the faults and the warnings of rows, by source and reason."""
    sources = list(dict.fromkeys(found["source"]))
    table = pd.DataFrame(
        {name: found["n_rows"].where(found["source"] == name, 0) for name in sources}
    ).set_axis(found["reason"], axis=0)
    looks = dict(zip(sources, cycle(charts.SIDE_BY_SIDE), strict=False))
    labels = [f"{rows:,}" for rows in found["n_rows"]]
    charts.horizontal_stacked_bars(table, looks, "Faults and warnings by reason", "rows", labels)


def with_share(amount: float, share: float) -> str:
    """`24.43 (19.3 %)`"""
    return f"{amount:,.2f} ({share:.1f} %)"
