"""The page of all runs: small, complete, and readable by a browser that has nothing else."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from credix.core.errors import StateError
from credix.core.results import Manifest
from credix.pipeline.history import page as history_page
from credix.pipeline.history.page import Days, add_lines, decode_day, read_days, render_page
from credix.pipeline.history.run_line import describe_run
from tests.browser import browsing
from tests.browser import shown as shown_at
from tests.pipeline.manifests import manifest, source

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
A_DAY = 24 * 60


def days_of(*numbers: int) -> Days:
    return add_lines({}, [describe_run(manifest(number)) for number in numbers])


def page_of(days: Days) -> str:
    return render_page(days, prefix="business_case", env="local", archive="../../archive/runs/")


def ids(days: Days) -> list[str]:
    return [line.id for day in sorted(days, reverse=True) for line in decode_day(days[day])]


def test_a_page_gives_back_the_runs_that_were_put_on_it() -> None:
    days = days_of(0, 5, A_DAY)
    assert read_days(page_of(days)) == days
    assert ids(days) == [manifest(number).run_id for number in (A_DAY, 5, 0)]


def test_a_run_that_is_added_twice_is_on_the_page_once_and_other_days_are_left_alone() -> None:
    days = {**days_of(0, 5), "2026-03-30": "never decoded"}
    again = add_lines(days, [describe_run(manifest(5)), describe_run(manifest(7))])
    assert len(decode_day(again["2026-03-31"])) == 3
    assert again["2026-03-30"] == "never decoded"


def test_the_same_runs_make_the_same_page_in_whatever_order_they_end() -> None:
    assert page_of(days_of(0, 5, 9)) == page_of(days_of(9, 0, 5))


@pytest.mark.parametrize("block", ["", "not base64!", "AAAA", "H4sIAAAAAAAC/w=="])
def test_a_damaged_day_is_told(block: str) -> None:
    with pytest.raises(StateError):
        decode_day(block)


def test_the_oldest_days_go_when_the_page_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    days = days_of(0, A_DAY, 2 * A_DAY)
    monkeypatch.setattr(history_page, "MOST_BYTES", sum(map(len, days.values())) - 1)
    assert sorted(add_lines(days, [])) == ["2026-04-01", "2026-04-02"]
    monkeypatch.setattr(history_page, "MOST_BYTES", 1)
    assert sorted(add_lines(days, [])) == ["2026-04-02"]


def test_ten_thousand_runs_are_less_than_two_megabytes() -> None:
    lines = [describe_run(manifest(5 * number, seconds=number % 97)) for number in range(10_000)]
    page = page_of(add_lines({}, lines))
    assert len(ids(read_days(page))) == 10_000
    assert len(page.encode()) < 2_000_000


def test_nothing_of_a_run_becomes_markup() -> None:
    bad = manifest(error="</script><script>alert(1)</script>", status="failed")
    page = render_page(add_lines({}, [describe_run(bad)]), prefix='"><b>', env="x", archive="x/")
    assert "alert(1)" not in page
    assert '"><b>' not in page


def shown(page: Path) -> str:
    """The document that a browser makes of the page, once its script has come to an end.

    A browser counts the time of the budget in which it has nothing to do, not that of unpacking.
    """
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    for budget in (2_000, 10_000, 60_000):
        folder = f"--user-data-dir={page.parent / 'browser'}"
        ended = subprocess.run(
            [str(BROWSER), *options, folder, f"--virtual-time-budget={budget}", f"file://{page}"],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        if '<p class="soft" id="count" role="status"></p>' not in ended.stdout:
            break
    return ended.stdout


def written(tmp_path: Path, manifests: Iterable[Manifest]) -> Path:
    path = tmp_path / "index.html"
    path.write_text(page_of(add_lines({}, map(describe_run, manifests))), "utf-8")
    return path


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here: the page's script is not run")
class TestInABrowser:
    def test_a_copy_on_disk_shows_its_runs_their_links_and_what_is_wrong(
        self, tmp_path: Path
    ) -> None:
        failed_at = "03_load.installments.html#cell-id=03-06"
        failed = manifest(5, status="failed", error="<b>load</b> refused", failed_at=failed_at)
        lags = {"cnpj_ws": {"at_least": 40.0, "at_most": 340.0}}
        uneven = manifest(9, sources={"installments": source(120, merged=119)}, lags=lags)

        document = shown(written(tmp_path, [manifest(0), failed, uneven]))

        assert document.count('<article class="run') == 3
        assert "3 of 3 runs" in document
        assert "1 of 3" in document
        assert "&lt;b&gt;load&lt;/b&gt; refused" in document
        assert "120 ≠ 120 ≠ 120 ≠ 119" in document
        assert "cnpj_ws<div" in document
        assert document.count("in gold after 40 s to 6 min") == 2
        folder = f"../../archive/runs/dt=2026-03-31/{failed.run_id}/"
        assert f'href="{folder}{failed_at}"' in document
        assert f'href="{folder}01_extract.installments.html"' in document

    def test_many_runs_are_shown_a_hundred_at_a_time(self, tmp_path: Path) -> None:
        document = shown(written(tmp_path, (manifest(5 * number) for number in range(3_000))))
        assert document.count('<article class="run') == 100
        assert "3,000 of 3,000 runs" in document

    def test_it_is_filtered_by_source_status_and_day(self, tmp_path: Path) -> None:
        alone: dict[str, Any] = {"sources": {"cnpj_ws": source(3)}, "steps": {}}
        manifests = [manifest(0), manifest(5, **alone, status="failed"), manifest(A_DAY, **alone)]
        page_path = written(tmp_path, manifests)
        first, second, third = (one.run_id for one in manifests)
        chosen = {
            "source": ("cnpj_ws", [third, second, first]),
            "status": ("failed", [second]),
            "day": ("2026-04-01", [third]),
            "text": (first, [first]),
        }
        with (
            browsing() as browser,
            shown_at(browser, f"file://{page_path}", 390, "article") as page,
        ):
            for field, (value, expected) in chosen.items():
                page.locator(f"#{field}").evaluate(
                    "(node, value) => { node.value = value;"
                    " node.dispatchEvent(new Event('input', { bubbles: true })); }",
                    value,
                )
                found = page.locator("article").evaluate_all("all => all.map((one) => one.id)")
                assert found == expected, field
                page.get_by_text("Clear").click()
                page.locator("article").nth(2).wait_for()
            page.select_option("#source", "installments")
            assert page.locator("article").evaluate_all("all => all.map((one) => one.id)") == [
                first
            ]

    def test_a_day_that_is_damaged_is_named_and_hides_no_other(self, tmp_path: Path) -> None:
        path = tmp_path / "index.html"
        path.write_text(page_of({**days_of(0, 5), "2026-03-30": "AAAA"}), "utf-8")
        document = shown(path)
        assert "Cannot be read: 2026-03-30" in document
        assert "2 of 2 runs" in document

    def test_a_page_without_runs_says_so(self, tmp_path: Path) -> None:
        assert "No run has ended yet." in shown(written(tmp_path, []))
