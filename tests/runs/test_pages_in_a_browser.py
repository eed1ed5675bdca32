"""What people open after a run, in a real browser, on a desk and on a phone."""

from datetime import date
from typing import Any

import pytest

from credix.errors import SourceError
from credix.paths import browser_address, paths_of
from credix.runs.publish import history_address
from credix.settings import Settings
from tests.browser import CHROMIUM, WHY, WIDTHS, assert_fits, browsing, shown
from tests.runs.test_pipeline import run
from tests.tables import Table

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WHY)
CNPJ = "11222333000181"


def address(settings: Settings, manifest: dict[str, Any], page: str) -> str:
    path = paths_of(settings).run(manifest["run_id"]) + page
    return browser_address(settings, settings.archive_bucket, path)


@pytest.mark.usefixtures("warehouse")
def test_report_catalog_and_all_runs_fit_and_a_failed_run_opens_at_its_failed_cell(
    settings: Settings, tables: dict[str, Table]
) -> None:
    tables["cnpj_ws"].insert(cnpj=CNPJ)
    for number in range(5):
        due = date(2024, 1 + number, 1)
        tables["installments"].insert(asset_id=f"a{number}", buyer_tax_id=CNPJ, due_date=due)
    good = run(settings, "full")
    tables["cnpj_ws"].execute("ALTER TABLE {table} RENAME COLUMN city TO town")
    with pytest.raises(SourceError):
        run(settings, "cnpj")

    catalog = paths_of(settings).catalog_index
    with browsing() as browser:
        assert_fits(browser, address(settings, good, "05_report.html"), "td a[href$='index.html']")
        for width in WIDTHS:
            named = f"{history_address(settings)}#{good['run_id']}"
            with shown(browser, named, width, "article.named") as page:
                assert page.locator("article").count() == 2
                assert page.locator(".named").get_attribute("id") == good["run_id"]
                page.select_option("#status", "failed")
                [failed] = page.locator("article").all()
                assert "has no column city" in failed.inner_text()
                link = failed.get_by_text("Open the failed cell")
                cell = link.evaluate("link => link.href")
            with shown(browser, cell, width, ":target") as page:
                top = page.locator("h2").first.inner_text()
                assert "did not reach its end" in top
                assert "has no column city" in page.locator("p").first.inner_text()
                is_seen = page.evaluate("""() => {
                    const box = document.querySelector(":target").getBoundingClientRect();
                    return box.top < innerHeight && box.bottom > 0;
                }""")
                assert is_seen
        # dbt's page has two columns: a phone zooms it, a desk shows it.
        with shown(
            browser, browser_address(settings, settings.report_bucket, catalog), 1280, ".icn"
        ):
            pass
