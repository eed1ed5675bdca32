"""The plots of the report: what they say without colours, and over nothing."""

from datetime import date

import pandas as pd
import pytest
from IPython.display import Image

from credix.core.freshness import Lag
from credix.core.schedules import LateBound
from credix.report import charts, report_charts
from credix.report.earlier_figures import GoldFigures
from credix.report.facts import SourceFacts

FIGURES = {"expected": 4e6, "paid": 1e6, "overdue": 2e6, "pending": 1e6, "outstanding": 3e6}
COUNTS = {"source": ["installments"], "reason": ["MISSING_KEY"], "n_rows": [7]}
EXPOSURES = {
    "buyer": ["••.•••.•••/••••-81"],
    "uf": ["SP"],
    "tier": ["HIGH_RISK"],
    "outstanding_brl": [3e6],
    "overdue_brl": [2e6],
    "percent": [12.5],
}
MONTHS = pd.DataFrame({"over_90_percent": [12.5]}, index=[date(2026, 3, 31)])
RECEIPTS = pd.DataFrame(
    {"due_brl": [3e6], "usually_paid_brl": [2e6]}, index=pd.Index([date(2026, 4, 6)], name="week")
)
BEFORE = GoldFigures(
    built_by="r1",
    built_at="2026-03-31T10:05:40.5+00:00",
    portfolio={},
    tiers={"GOOD": 3, "NO_HISTORY": 1},
)
TIERS = pd.DataFrame({"companies": [2]}, index=pd.Index(["GOOD"], name="tier"))
ROWS = ["extracted", "landed", "loaded", "merged"]


def fact(at_most: float | None, at_least: float = 0.0) -> SourceFacts:
    return SourceFacts("installments", LateBound(3600.0, ""), lag=Lag(at_least, at_most))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Image]:
    """The pictures that a notebook would show."""
    pictures: list[Image] = []
    monkeypatch.setattr(charts, "display", pictures.append)
    return pictures


def draw_all(lines: int) -> None:
    """Every plot but those of the portfolio and the tiers, over tables of that many lines."""
    figures = pd.DataFrame({"source": ["a"], **{step: [5] for step in ROWS}})
    verdicts = pd.DataFrame({"pass": [3], "warn": [1], "fail": [0]}, index=["gold"])
    by_uf = pd.DataFrame({"overdue_brl": [2e6], "overdue_percent": [50.0]}, index=["SP"])
    ages = pd.DataFrame({"overdue_brl": [2e6]}, index=pd.Index(["1-30"], name="days overdue"))
    report_charts.plot_rows(figures.head(lines))
    report_charts.plot_lags([fact(340.0)][:lines])
    report_charts.plot_ageing(ages.head(lines))
    report_charts.plot_overdue_by_uf(by_uf.head(lines))
    report_charts.plot_exposures(pd.DataFrame(EXPOSURES).head(lines))
    report_charts.plot_months(MONTHS.head(lines))
    report_charts.plot_receipts(RECEIPTS.head(lines))
    report_charts.plot_tests(verdicts.head(lines))
    report_charts.plot_quarantined(pd.DataFrame(COUNTS).head(lines))


def test_each_is_one_sharp_picture_that_says_what_it_is_and_in_which_unit(
    shown: list[Image],
) -> None:
    draw_all(1)
    report_charts.plot_portfolio(FIGURES)
    report_charts.plot_tiers(TIERS, BEFORE)
    units = [str(picture.alt).rpartition(", ")[2] for picture in shown]
    assert units == [
        "rows",
        "minutes",
        "million BRL",
        "million BRL",
        "million BRL",
        "% of outstanding",
        "million BRL",
        "tests",
        "rows",
        "million BRL",
        "companies",
    ]
    for picture in shown:
        dots = int.from_bytes(picture.data[16:20], "big")
        assert dots == 2 * picture.width


def test_over_nothing_there_is_a_line_of_text_and_no_empty_picture(
    shown: list[Image], capsys: pytest.CaptureFixture[str]
) -> None:
    draw_all(0)
    report_charts.plot_tiers(TIERS.head(0), None)
    assert shown == []
    assert capsys.readouterr().out.count("nothing to show") == 10


def test_a_portfolio_without_an_installment_has_bars_of_nothing(shown: list[Image]) -> None:
    report_charts.plot_portfolio(dict.fromkeys(FIGURES, 0.0))
    assert len(shown) == 1


def test_a_first_load_has_a_lag_without_an_end(shown: list[Image]) -> None:
    report_charts.plot_lags([fact(None)])
    report_charts.plot_lags([fact(None, at_least=40.0)])
    assert len(shown) == 2


@pytest.mark.parametrize(
    ("longest", "unit"),
    [(0, "seconds"), (119, "seconds"), (600, "minutes"), (7300, "hours"), (200_000, "days")],
)
def test_a_lag_is_drawn_in_a_unit_of_small_numbers(longest: float, unit: str) -> None:
    assert report_charts.time_unit(longest)[0] == unit


@pytest.mark.parametrize(
    ("largest", "unit"),
    [
        (float("nan"), "BRL"),
        (0.0, "BRL"),
        (999.99, "BRL"),
        (2_469.0, "thousand BRL"),
        (4e6, "million BRL"),
    ],
)
def test_an_amount_is_drawn_in_a_unit_of_few_digits(largest: float, unit: str) -> None:
    assert report_charts.money_unit(largest)[0] == unit


@pytest.mark.parametrize(
    ("value", "text"), [(1980.0, "1,980"), (0.0, "0"), (4.56, "4.56"), (123.4, "123")]
)
def test_a_value_at_a_bar_has_as_many_decimals_as_say_something(value: float, text: str) -> None:
    assert charts.number(value) == text


def test_what_stands_beside_each_other_differs_without_colours_too() -> None:
    for looks in (charts.SIDE_BY_SIDE, list(report_charts.VERDICTS.values())):
        assert len({hatch for _, hatch in looks}) == len(looks)
