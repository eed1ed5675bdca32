"""Addresses of pages: on the local server, on Google, on Google with a server of pages."""

import pytest

from credix.core.addresses import (
    history_address,
    page_address,
    run_address,
    runs_folder_address,
    shows_pages,
)
from credix.core.errors import SettingsError
from credix.core.settings import Settings

RUN = "20260331T101500Z-full-1f2e3d"
FOLDER = f"business_case/runs/dt=2026-03-31/{RUN}"
CONSOLE = "https://console.cloud.google.com/storage/browser"
SERVER = "https://pages.example.com"


def settings_with(**values: str) -> Settings:
    return Settings.parse(
        {
            "POSTGRES_HOST": "h",
            "POSTGRES_DB": "d",
            "POSTGRES_USER": "u",
            "POSTGRES_PASSWORD": "p",
            "GCP_PROJECT": "project",
            "CREDIX_RUNS_BUCKET": "t-runs",
            "CREDIX_ARCHIVE_BUCKET": "t-archive",
            "CREDIX_REPORT_BUCKET": "t-report",
            **values,
        }
    )


def test_locally_pages_open_from_the_bucket_and_from_a_copy_on_disk() -> None:
    local = settings_with(STORAGE_EMULATOR_HOST="http://127.0.0.1:9023")
    page = "http://127.0.0.1:9023/t-runs/business_case/index.html"
    assert shows_pages(local)
    assert history_address(local) == page
    assert run_address(local, RUN) == f"{page}#{RUN}"
    assert runs_folder_address(local) == "../../t-archive/business_case/runs/"


def test_on_google_they_lead_to_the_console() -> None:
    """Every one is absolute: nothing leads from one bucket to another by itself."""
    google = settings_with()
    assert not shows_pages(google)
    assert history_address(google) == f"{CONSOLE}/_details/t-runs/business_case/index.html"
    assert run_address(google, RUN) == f"{CONSOLE}/t-archive/{FOLDER}"
    assert runs_folder_address(google) == f"{CONSOLE}/_details/t-archive/business_case/runs/"
    catalog = page_address(google, "t-report", "business_case/catalog/index.html")
    assert catalog == f"{CONSOLE}/_details/t-report/business_case/catalog/index.html"


@pytest.mark.parametrize("url", [SERVER, f"{SERVER}/"])
def test_on_google_with_a_server_of_pages_they_lead_there(url: str) -> None:
    served = settings_with(CREDIX_PAGES_URL=url)
    page = f"{SERVER}/t-runs/business_case/index.html"
    assert shows_pages(served)
    assert history_address(served) == page
    assert run_address(served, RUN) == f"{page}#{RUN}"
    assert runs_folder_address(served) == f"{SERVER}/t-archive/business_case/runs/"
    assert page_address(served, "t-report", "business_case/index.html") == (
        f"{SERVER}/t-report/business_case/index.html"
    )


@pytest.mark.parametrize(
    "url",
    [
        "pages.example.com",
        "http://pages.example.com",
        "https://",
        "https://u:p@pages.example.com",
        "https://pages.example.com/?a=1",
        "https://pages.example.com#a",
        "javascript:alert(1)",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="CREDIX_PAGES_URL: is not the address of a server"):
        settings_with(CREDIX_PAGES_URL=url)
