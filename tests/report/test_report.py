"""The report: its figures, what has moved, and what it never shows."""

import json
import re
from datetime import UTC, date, datetime

import nbformat
import pandas as pd
import pytest

from credix.clients.gcs.lake import Lake
from credix.core.addresses import page_address
from credix.core.errors import SettingsError
from credix.core.masking import mask_tax_number
from credix.core.paths import paths_of
from credix.core.results import Manifest, ReportResult
from credix.core.settings import PROJECT_DIR, Settings
from credix.pipeline.history.status import source_statuses
from credix.report.earlier_figures import (
    GoldFigures,
    choose_earlier,
    compare_figures,
    compare_tiers,
)
from credix.report.facts import LayerTest, verdicts_by_layer
from credix.report.portfolio import MONTH_FIGURES, derive, month_by_month
from credix.state.run import today
from credix.state.states import LastRun, SourceState
from credix.state.store import StateStore
from tests.browser import CHROMIUM, assert_fits, browsing
from tests.browser import shown as shown_at
from tests.elementary import FOLDER
from tests.pipeline.manifests import node
from tests.pipeline.test_pipeline import run
from tests.runs_by_hand import carry_all
from tests.tables import Table

SUMS = {
    "installments": 4.0,
    "buyers": 2.0,
    "expected": 400.0,
    "paid": 100.0,
    "outstanding": 300.0,
    "overdue": 200.0,
    "over_90": 75.0,
}
CNPJ = "11222333000181"


SINCE = "since 2026-03-31 10:05 UTC"


def figures(built_by: str, **portfolio: float) -> GoldFigures:
    return GoldFigures(
        built_by=built_by,
        built_at="2026-03-31T10:05:40.5+00:00",
        portfolio={**derive(SUMS), **portfolio},
        tiers={"GOOD": 3},
    )


def kept(newest: str, before: str | None) -> str:
    earlier = figures(before).model_dump() if before else None
    return json.dumps({"newest": figures(newest).model_dump(), "before": earlier})


def test_rates_are_percent_of_what_is_owed_and_of_all_ever_issued() -> None:
    found = derive(SUMS)
    assert found["pending"] == 100.0
    assert (found["overdue_of_outstanding"], found["over_90_of_outstanding"]) == (66.67, 25.0)
    assert (found["overdue_of_expected"], found["recovery_percent"]) == (50.0, 25.0)


def test_an_empty_portfolio_has_rates_of_zero() -> None:
    found = derive(dict.fromkeys(SUMS, 0.0))
    assert (found["overdue_of_outstanding"], found["recovery_percent"]) == (0.0, 0.0)


def test_of_a_tax_number_the_check_digits_alone_are_shown() -> None:
    assert mask_tax_number(CNPJ) == "••.•••.•••/••••-81"


def test_a_report_is_compared_with_the_newest_of_another_gold() -> None:
    assert choose_earlier(kept("r1", None), "r2") == figures("r1")


def test_the_same_gold_is_compared_with_the_same_figures_however_often_it_is_reported() -> None:
    assert choose_earlier(kept("r2", "r1"), "r2") == figures("r1")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"newest": 1}', kept("r1", None)])
def test_without_earlier_figures_nothing_is_compared(text: str) -> None:
    assert choose_earlier(text, "r1") is None


def test_figures_tell_what_has_moved() -> None:
    table = compare_figures(derive(SUMS), figures("r1", overdue=150.0)).set_index("figure")
    assert table.loc["of it overdue (BRL)", SINCE] == "+50.00"
    assert table.loc["paid (BRL)", SINCE] == "="


def test_a_figure_that_an_earlier_report_did_not_have_has_not_moved() -> None:
    before = figures("r1")
    del before.portfolio["over_90"]
    table = compare_figures(derive(SUMS), before).set_index("figure")
    assert table.loc["of it more than 90 days overdue (BRL)", SINCE] == ""


def test_a_month_is_compared_with_the_month_end_before() -> None:
    found = pd.DataFrame(
        {name: [50.0, 60.5] for name in MONTH_FIGURES}, index=[date(2026, 2, 28), date(2026, 3, 31)]
    )
    table = month_by_month(found).set_index("figure")
    assert table.loc["overdue, % of outstanding"].to_dict() == {
        "now": "60.50",
        "on 2026-02-28": "50.00",
        "change": "+10.50",
    }
    assert month_by_month(found.tail(1)).columns.tolist() == ["figure", "now"]


def test_a_tier_that_lost_all_its_companies_is_still_told() -> None:
    now = pd.DataFrame({"companies": [2]}, index=pd.Index(["FAIR"], name="tier"))
    table = compare_tiers(now, figures("r1"))
    assert table[SINCE].to_dict() == {"GOOD": "-3", "FAIR": "+2"}


def test_tests_are_counted_by_layer_and_verdict() -> None:
    tests = [("gold", "pass"), ("gold", "error"), ("silver", "warn")]
    table = verdicts_by_layer(
        [LayerTest(layer, node("x", kind="test", status=status)) for layer, status in tests]
    )
    assert table.loc["gold"].to_dict() == {"pass": 1, "warn": 0, "fail": 1}
    assert table.loc["silver", "warn"] == 1


def shown(settings: Settings, manifest: Manifest) -> str:
    """Everything that the executed notebook shows."""
    path = settings.run_dir / manifest.run_id / "05_report.ipynb"
    cells = nbformat.read(path, as_version=4).cells
    return str([cell.get("outputs") for cell in cells])


@pytest.mark.usefixtures("warehouse")
def test_a_report_before_the_first_gold_says_what_builds_it(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="run full builds them"):
        run(settings, "monitoring")


def failed(state: SourceState) -> SourceState:
    """The state as a run leaves it that failed."""
    last = LastRun(
        run_id="failed", job="full", status="failed", finished_at=datetime.now(UTC), rows=0
    )
    return state.model_copy(update={"last_run": last})


@pytest.mark.usefixtures("warehouse")
def test_reports_tell_what_has_moved_and_never_who_and_a_day_has_one_catalog(
    settings: Settings, tables: dict[str, Table], lake: Lake
) -> None:
    tables["cnpj_ws"].insert(cnpj=CNPJ, legal_name="Canário Silva ME")
    tables["installments"].insert(buyer_tax_id=CNPJ, due_date=date(2024, 2, 1))
    carry_all(settings, today(settings))
    run(settings, "monitoring")
    tables["installments"].insert(asset_id="b", buyer_tax_id=CNPJ, due_date=date(2024, 2, 1))
    StateStore(settings, lake).change_source("state.release", "installments", failed)
    second = run(settings, "full")
    published = generations(settings, lake)
    again = run(settings, "monitoring")

    lag = second.lags["installments"]
    assert lag.at_most is not None
    assert 0 < lag.at_least < lag.at_most
    assert second.lags.keys() == {"installments"}
    for asked in (second, again):
        report = asked.steps["gold"]["05_report"]
        assert isinstance(report, ReportResult)
        assert report.verdict == "Yes"
    text = shown(settings, second)
    assert "since 20" in text
    since = re.findall(r"since 20[^<]+UTC", text)
    assert since == re.findall(r"since 20[^<]+UTC", shown(settings, again))
    assert CNPJ not in text
    assert "Canário" not in text
    statuses = {status.source: status for status in source_statuses(settings)}
    assert statuses["installments"].commit_to_gold == lag
    for status in statuses.values():
        assert status.gold_lag_seconds == pytest.approx(status.lag_seconds, abs=0.2)
    [remembered] = lake.objects(settings.lake_bucket, paths_of(settings).figures)
    assert CNPJ not in lake.read_bytes(settings.lake_bucket, remembered.name).decode()
    assert published == generations(settings, lake)
    assert_shows_nobody(settings, lake)
    if CHROMIUM is not None:
        look_at_report_and_catalog(settings, second)


def generations(settings: Settings, lake: Lake) -> dict[str, int]:
    """Of the catalog, that is of the page by its day and by its fixed name.

    Besides there is at most Elementary's report.
    """
    blobs = lake.objects(settings.report_bucket, settings.prefix)
    found = {blob.name: blob.generation for blob in blobs if "/catalog/" in blob.name}
    assert len(found) == 2
    assert FOLDER.exists() or len(blobs) == 2
    return found


def assert_shows_nobody(settings: Settings, lake: Lake) -> None:
    """The catalog opens without a network, and holds no row, secret or path."""
    [index] = lake.objects(settings.report_bucket, paths_of(settings).catalog_index)
    page = lake.read_bytes(settings.report_bucket, index.name).decode()
    assert index.content_type == "text/html; charset=utf-8"
    assert "company_payment_summary" in page
    assert not re.search(r'<(?:script|img)[^>]* src="http|<link[^>]* href="http', page)
    password = settings.postgres_password.get_secret_value()
    for word in (CNPJ, "Canário", password, str(settings.run_dir), str(PROJECT_DIR)):
        assert word not in page


def look_at_report_and_catalog(settings: Settings, manifest: Manifest) -> None:
    """The report fits a desk and a phone; dbt's page has two columns, which a phone zooms."""
    report = paths_of(settings).run(manifest.run_id) + "05_report.html"
    catalog = paths_of(settings).catalog_index
    with browsing() as browser:
        address = page_address(settings, settings.archive_bucket, report)
        assert_fits(browser, address, "td a[href$='index.html']")
        address = page_address(settings, settings.report_bucket, catalog)
        with shown_at(browser, address, 1280, ".icn"):
            pass
