"""Elementary for real: its tables, monitors and page on the local servers."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from zoneinfo import ZoneInfo

import pytest

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.dbt import results as dbt_results
from credix.clients.elementary import find_packages
from credix.clients.gcs.lake import Lake
from credix.core.addresses import page_address
from credix.core.errors import SettingsError
from credix.core.paths import paths_of
from credix.core.results import Manifest, Monitoring, ReportResult
from credix.core.settings import Settings
from credix.pipeline.notify.alerts import find_monitored
from credix.report.monitoring import first_day, result_files
from credix.state.run import Run
from tests.browser import CHROMIUM, DESK_WIDTH, WIDTHS, browsing, shown
from tests.elementary import FOLDER, IS_HERE, WHY
from tests.pipeline.test_personal_data import PEOPLE, find_leaks, left_behind, person
from tests.pipeline.test_pipeline import run
from tests.receiver import Receiver
from tests.report.test_report import shown as shown_by
from tests.runs_by_hand import carry_all
from tests.tables import Table

needs_packages = pytest.mark.skipif(not IS_HERE, reason=WHY)
DAYS_OF_HISTORY = 40
TODAY = datetime.now(ZoneInfo("America/Sao_Paulo")).date()
YESTERDAY = TODAY - timedelta(1)
VIEWS = ("dashboard", "lineage", "test-results", "model-runs", "test-runs")


NOW = datetime(2026, 3, 31, 10, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("known", "day"),
    [
        (set(), "2026-03-24"),
        ({"20260330T101500Z-full-1f2e3d", "20260329T101500Z-cnpj-1f2e3d"}, "2026-03-29"),
        ({"20260301T101500Z-full-1f2e3d"}, "2026-03-24"),
        ({"made by hand"}, "2026-03-24"),
    ],
)
def test_runs_are_looked_for_since_the_newest_that_elementary_has(
    known: set[str], day: str
) -> None:
    assert first_day(known, NOW).date().isoformat() == day


def test_results_that_elementary_has_are_not_downloaded_again(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, runs = datetime.now(UTC), paths_of(lake.settings).runs
    names = [f"{now:%Y%m%dT%H%M}{number:02}Z-full-1f2e3d" for number in range(12)]
    for number, name in enumerate(names):
        path = f"{runs}dt={now.date()}/{name}/{dbt_results.FILE}"
        lake.upload("test", lake.settings.archive_bucket, path, f"line {number}".encode())
    made = SimpleNamespace(settings=lake.settings, lake=lake, run_id="own", folder=tmp_path)
    run = cast("Run", made)
    dbt_results.add_lines(tmp_path, [{"own": 1}])
    downloaded: list[str] = []
    read = lake.read_bytes

    def watched(bucket: str, path: str) -> bytes:
        downloaded.append(path)
        return read(bucket, path)

    monkeypatch.setattr(lake, "read_bytes", watched)
    found = dict(result_files(run, set(names[:10]), now - timedelta(days=1)))
    assert found == {names[10]: ["line 10"], names[11]: ["line 11"], "own": ['{"own": 1}']}
    assert len(downloaded) == 2


@pytest.fixture
def watched(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings under which the kernels find the packages."""
    monkeypatch.setenv("CREDIX_ELEMENTARY_PACKAGES", str(FOLDER))
    return Settings.parse({**settings.variables(), "CREDIX_ELEMENTARY_PACKAGES": str(FOLDER)})


@pytest.fixture
def portfolio(tables: dict[str, Table], warehouse: Warehouse) -> dict[str, Table]:
    """A month of ordinary days: each changes a company, whose personal columns are canaries,

    issues forty invoices or a few more, and sees as many paid.
    """
    for ago in range(DAYS_OF_HISTORY):
        day = TODAY - timedelta(ago)
        changed_at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        person_of_the_day = person(ago % PEOPLE)
        tables["cnpj_ws"].insert(
            cnpj=f"{ago:08d}000181", updated_at=changed_at, **person_of_the_day
        )
    tables["installments"].execute(
        """
        INSERT INTO {table} (asset_id, invoice_id, buyer_tax_id, installment_number,
            installment_count, payment_method, invoice_issue_date, due_date, paid_date,
            expected_amount_in_cents, paid_amount_in_cents)
        SELECT ago || '-' || number, ago || '-' || number, '00000001000181', 1, 1,
            CASE WHEN number %% 2 = 0 THEN 'PIX' ELSE 'BOLETO' END,
            %(today)s - ago, %(today)s - ago + 30, %(today)s - ago, amount, amount
        FROM generate_series(0, %(days)s - 1) AS ago, generate_series(1, 40 + ago %% 4) AS number,
            LATERAL (SELECT 10000 + 500 * ((number + ago) %% 11) AS amount)
        """,
        {"today": TODAY, "days": DAYS_OF_HISTORY},
    )
    assert warehouse
    return tables


def monitoring(manifest: Manifest) -> Monitoring:
    report = manifest.steps["gold"]["05_report"]
    assert isinstance(report, ReportResult)
    return report.monitoring


def verdicts(manifest: Manifest) -> dict[str, str]:
    return {one.monitor: one.status for one in monitoring(manifest).monitors}


def count(warehouse: Warehouse, table: str, what: str = "*", where: str = "TRUE") -> int:
    name = warehouse.table_id("elementary", table)
    return int(warehouse.query(f"SELECT count({what}) AS n FROM `{name}` WHERE {where}")[0]["n"])


@needs_packages
def test_elementary_watches_publishes_and_finds_what_is_planted(
    watched: Settings,
    portfolio: dict[str, Table],
    warehouse: Warehouse,
    lake: Lake,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = run(watched, "full")

    assert monitoring(first).reason == ""
    assert set(verdicts(first).values()) == {"pass"}
    assert len(verdicts(first)) == 23
    run_id = first.run_id
    builds = count(warehouse, "dbt_invocations", where=f"job_run_id = '{run_id}'")
    assert builds == 4
    results = count(warehouse, "dbt_run_results")
    assert results == count(warehouse, "dbt_run_results", "DISTINCT model_execution_id")
    assert count(warehouse, "elementary_test_results", where="test_type = 'dbt_test'") > 20
    listed = lake.objects(watched.report_bucket, watched.prefix)
    pages = {stored.name: lake.blob(stored) for stored in listed}
    for page in pages.values():
        page.reload()
    newest = pages[f"{watched.prefix}/index.html"]
    dated = pages[f"{watched.prefix}/reports/{run_id}/index.html"]
    assert newest.content_type == dated.content_type == "text/html; charset=utf-8"
    assert (newest.cache_control, "immutable" in dated.cache_control) == ("no-cache", True)

    gold = warehouse.table_id("gold", "payment_analytics_detailed")
    installments, companies = portfolio["installments"], portfolio["cnpj_ws"]
    twice = "2 * expected_amount_in_cents"
    unpaid = "paid_date = NULL, paid_amount_in_cents = NULL"
    of_yesterday = "WHERE invoice_issue_date = %(yesterday)s"
    for planted in (
        f"DELETE FROM {{table}} {of_yesterday} AND length(asset_id) = 4 AND asset_id > '1-25'",
        f"UPDATE {{table}} SET expected_amount_in_cents = {twice} {of_yesterday}",
        f"UPDATE {{table}} SET buyer_tax_id = NULL {of_yesterday} AND payment_method = 'PIX'",
        f"UPDATE {{table}} SET {unpaid} WHERE paid_date = %(yesterday)s",
        "UPDATE {table} SET payment_method = 'BARTER' WHERE asset_id = '7-1'",
    ):
        installments.execute(planted, {"yesterday": YESTERDAY})
    companies.execute("UPDATE {table} SET registration_status = 'FROZEN' WHERE cnpj < '00000003'")
    monkeypatch.setenv("CREDIX_ELEMENTARY_WEBHOOK", f"http://{receiver.address}/t0ken")
    run(watched, "cnpj")
    run(watched, "installments")
    warehouse.execute("test.drop", gold, f"ALTER TABLE `{gold}` DROP COLUMN main_cnae")
    found = run(watched, "monitoring")

    loud = {name: status for name, status in verdicts(found).items() if status != "pass"}
    assert loud == {
        "installments_are_issued_as_usual": "fail",
        "amounts_are_of_the_usual_magnitude": "fail",
        "installments_lack_a_buyer_as_rarely_as_usual": "fail",
        "payments_arrive_as_usual": "warn",
        "payment_methods_are_known": "warn",
        "payment_methods_are_distributed_as_usual": "warn",
        "registration_statuses_are_known": "warn",
        "gold_details_keep_their_columns": "fail",
    }
    wrong, judged = find_monitored(found)
    assert {
        "monitor issued_installments",
        "monitor gold.payment_analytics_detailed",
    } <= set(wrong)
    assert "monitor silver.quarantine" in judged - set(wrong)
    assert [path for path, _ in receiver.messages][:1] == ["/t0ken"]
    texts = {**left_behind(watched, lake, receiver), **rows_of_elementary(warehouse)}
    assert f"gs://{watched.report_bucket}/{newest.name}" in texts
    assert any("payment_analytics_detailed" in texts[name] for name in texts if "test_res" in name)
    secrets = ("t0ken", watched.postgres_password.get_secret_value())
    assert find_leaks(texts, secrets) == []
    if CHROMIUM is not None:
        look_at(page_address(watched, watched.report_bucket, newest.name))


def rows_of_elementary(warehouse: Warehouse) -> dict[str, str]:
    """All that Elementary keeps in its tables."""
    dataset = warehouse.settings.dataset("elementary")
    tables = [t for t in warehouse._client.list_tables(dataset) if t.table_type == "TABLE"]
    ids = [warehouse.table_id("elementary", table.table_id) for table in tables]
    return {name: str(warehouse.query(f"SELECT * FROM `{name}`")) for name in ids}


def look_at(page_address: str) -> None:
    """Each of Elementary's views fits a desk; a phone shows all of that width, and zooms."""
    with browsing() as browser:
        for width in WIDTHS:
            with shown(browser, page_address, width, "#root a", DESK_WIDTH) as page:
                for view in VIEWS:
                    page.locator(f"#root a[href$='/{view}']").click()
                    page.locator(f"#root a.active[href$='/{view}']").wait_for()
                    assert page.evaluate("document.scrollingElement.scrollWidth") == DESK_WIDTH, (
                        view
                    )


def test_a_folder_without_the_packages_is_refused_by_name(
    settings: Settings, tmp_path: Path
) -> None:
    named = settings.model_copy(update={"elementary_packages": tmp_path})
    with pytest.raises(SettingsError, match="no dbt package elementary and no dbt_utils"):
        find_packages(named)


def test_another_version_than_the_command_line_is_refused(
    settings: Settings, tmp_path: Path
) -> None:
    for name in ("elementary", "dbt_utils"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dbt_project.yml").write_text("version: 0.1.0", "utf-8")
    named = settings.model_copy(update={"elementary_packages": tmp_path})
    with pytest.raises(SettingsError, match=r"is Elementary 0\.1\.0, and elementary-data is"):
        find_packages(named)


@pytest.mark.usefixtures("warehouse", "tables")
def test_a_report_over_nothing_whose_monitors_cannot_work_ends_well(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    for name in ("elementary", "dbt_utils"):
        (broken / name).mkdir(parents=True)
        (broken / name / "dbt_project.yml").write_text("version: 0.25.1", "utf-8")
    carry_all(settings)
    monkeypatch.setenv("CREDIX_ELEMENTARY_PACKAGES", str(broken))
    manifest = run(settings, "monitoring")
    assert manifest.status == "done"
    assert monitoring(manifest).status == "failed"
    assert "since 20" not in shown_by(settings, manifest)
    assert set(find_monitored(manifest)[0]) == {"monitoring"}
    shutil.rmtree(broken)
