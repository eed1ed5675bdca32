"""The server of pages: what it serves, and that it serves nothing else."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests

from credix.clients.gcs.lake import Lake
from credix.core.addresses import history_address, page_address
from credix.core.paths import paths_of
from credix.operations.page_server import build
from credix.pipeline.history.publish import publish_history
from tests.browser import CHROMIUM, WHY, WIDTHS, browsing, shown
from tests.pipeline.manifests import manifest

PAGE = (
    b'<html><head><meta name="viewport" content="width=device-width">'
    b'<link rel="icon" href="data:,">'
    b"<title>Extract</title></head><body><h1>Extract</h1></body></html>"
)
HTML = "text/html; charset=utf-8"


@pytest.fixture(scope="module")
def server(variables: dict[str, str], prefix: str) -> Iterator[str]:
    """The address of the server, over the local buckets, as Terraform starts it."""
    folders = ["credix-runs/", "credix-elementary-report/"]
    folders.append(f"data_lake_credix_archive/{prefix}/runs/")
    command = [
        sys.executable,
        "-m",
        "credix.operations.page_server",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
    ]
    process = subprocess.Popen(
        [*command, *folders],
        env={**os.environ, "STORAGE_EMULATOR_HOST": variables["STORAGE_EMULATOR_HOST"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    said = process.stdout.readline()
    yield f"http://127.0.0.1:{said.split()[-1]}"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


@pytest.fixture
def served(server: str, lake: Lake) -> Lake:
    return Lake(lake.settings.model_copy(update={"pages_url": server}), lake.effects)


def put(lake: Lake, bucket: str, path: str, content: bytes = PAGE) -> None:
    lake.replace("test.put", bucket, path, content, HTML, "no-cache")


def test_a_page_comes_as_it_is_and_asks_nothing_of_anybody(served: Lake) -> None:
    settings = served.settings
    path = paths_of(settings).elementary_index
    put(served, settings.report_bucket, path, PAGE * 40_000)
    address = page_address(settings, settings.report_bucket, path)
    answer = requests.get(address, timeout=20)
    assert answer.content == PAGE * 40_000
    assert answer.headers["Content-Type"] == HTML
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "default-src 'unsafe-inline'" in answer.headers["Content-Security-Policy"]
    assert "Server" not in answer.headers
    head = requests.head(address, timeout=20)
    assert (head.status_code, head.content) == (200, b"")
    known = {"If-None-Match": answer.headers["Etag"]}
    assert requests.get(address, headers=known, timeout=20).status_code == 304


def test_nothing_but_pages_is_served_and_nothing_is_written(served: Lake) -> None:
    settings, paths = served.settings, paths_of(served.settings)
    lake, archive = settings.lake_bucket, settings.archive_bucket
    rows = f"{settings.prefix}/archive/ingestion_dt=2026-03-31/a.parquet"
    put(served, lake, paths.figures)
    put(served, archive, rows)
    base = settings.pages_url
    runs = f"{base}/{archive}/{paths.runs}"
    for address in (
        f"{base}/",
        f"{base}/{lake}/{paths.figures}",
        f"{base}/{archive}/{rows}",
        f"{runs}../../{rows}",
        f"{runs}%2e%2e/%2e%2e/{rows}",
        runs,
        f"{base}/{settings.runs_bucket}/",
        f"{base}/{settings.runs_bucket}/missing.html",
    ):
        answer = requests.get(address, timeout=20)
        assert (answer.status_code, answer.text) == (404, "There is no such page.\n"), address
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert requests.request(method, history_address(settings), timeout=20).status_code == 405


@pytest.mark.parametrize("folder", ["t-archive/business_case/runs", "/", ""])
def test_a_folder_that_would_open_its_neighbours_is_refused(folder: str) -> None:
    with pytest.raises(ValueError, match="is no folder"):
        build([folder], lambda *_: None)


@pytest.mark.skipif(CHROMIUM is None, reason=WHY)
def test_the_page_of_all_runs_leads_to_the_notebooks_of_another_bucket(
    served: Lake,
) -> None:
    settings = served.settings
    run = manifest(pages=["01_extract.installments.html"])
    where = paths_of(settings).run(run.run_id)
    put(served, settings.archive_bucket, f"{where}01_extract.installments.html")
    put(served, settings.archive_bucket, f"{where}manifest.json", run.model_dump_json().encode())
    publish_history(served)
    desk = WIDTHS[0]
    with browsing() as browser:
        with shown(browser, history_address(settings), desk, "article") as page:
            address = page.locator(".pages a").first.evaluate("link => link.href")
        assert address.startswith(f"{settings.pages_url}/{settings.archive_bucket}/")
        with shown(browser, address, desk, "h1") as page:
            assert page.locator("h1").inner_text() == "Extract"
