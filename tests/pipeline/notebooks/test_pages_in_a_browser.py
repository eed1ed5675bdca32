"""The page of all runs and a failed notebook in a real browser, on a desk and on a phone.

The report and the catalog are looked at in tests/report/test_report.py, Elementary's page in
tests/report/test_monitoring.py: the runs that make them are there.
"""

import pytest

from credix.core.addresses import run_address
from credix.core.errors import SourceError
from credix.core.settings import Settings
from tests.browser import CHROMIUM, WHY, WIDTHS, browsing, shown
from tests.pipeline.test_pipeline import run
from tests.tables import Table

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WHY)


@pytest.mark.usefixtures("warehouse")
def test_an_alert_leads_to_its_run_and_a_failed_run_opens_at_its_failed_cell(
    settings: Settings, tables: dict[str, Table]
) -> None:
    tables["cnpj_ws"].insert()
    good = run(settings, "cnpj", layers=["bronze"])
    tables["cnpj_ws"].execute("ALTER TABLE {table} RENAME COLUMN city TO town")
    with pytest.raises(SourceError):
        run(settings, "cnpj")

    named = run_address(settings, good.run_id)
    with browsing() as browser:
        for width in WIDTHS:
            with shown(browser, named, width, "article.named") as page:
                assert page.locator("article").count() == 2
                assert page.locator(".named").get_attribute("id") == good.run_id
                page.select_option("#status", "failed")
                [failed] = page.locator("article").all()
                assert "has no column city" in failed.inner_text()
                link = failed.get_by_text("Open the failed cell")
                cell = link.evaluate("link => link.href")
            with shown(browser, cell, width, ":target") as page:
                assert "did not reach its end" in page.locator("h2").first.inner_text()
                assert "has no column city" in page.locator("p").first.inner_text()
                assert page.evaluate("""() => {
                    const box = document.querySelector(":target").getBoundingClientRect();
                    return box.top < innerHeight && box.bottom > 0;
                }""")
