"""`lab` in a real browser: every notebook by Run All, and its end by Ctrl-C."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.gcs.lake import Lake
from credix.core.paths import paths_of
from credix.core.settings import Settings
from credix.state.run import sandbox_settings
from credix.state.states import SourceState
from credix.state.store import StateStore
from tests.browser import CHROMIUM, WHY, browsing
from tests.project_copy import copy_project, variables_for
from tests.tables import Table

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WHY)

NAMES_OF_A_RUN = ["01_extract", "02_land", "03_load", "04_transform", "05_report"]
# The other two only read.
NAMES = ["00_start_here", *NAMES_OF_A_RUN, "explore"]
ERRORS = "[data-mime-type='application/vnd.jupyter.error']"
WARNINGS = "[data-mime-type='application/vnd.jupyter.stderr']"
PROMPTS = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .jp-InputArea-prompt"
MILLISECONDS = 120_000
SECONDS_TO_END = 60


@dataclass
class RunningLab:
    """The command `lab` at work on a copy of the project."""

    project: Path
    process: subprocess.Popen[str]
    address: str


@pytest.fixture
def lab(settings: Settings, tables: dict[str, Table], tmp_path: Path) -> Iterator[RunningLab]:
    tables["cnpj_ws"].insert()
    for number in range(20):
        tables["installments"].insert(asset_id=f"a{number}")
    project = copy_project(tmp_path / "project")
    variables = {**variables_for(project, settings), "CREDIX_LOCAL_DIR": str(tmp_path / "local")}
    # As a terminal starts it: behind `&` a shell has its children ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, str(project / "run_pipeline.py"), "lab", "--no-browser"],
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    address = process.stdout.readline().partition("JupyterLab: ")[2].strip()
    assert address, "lab has not started"
    yield RunningLab(project, process, address)
    process.terminate()
    process.wait(SECONDS_TO_END)


@pytest.fixture
def page() -> Iterator[Any]:
    with browsing() as browser:
        opened = browser.new_page(viewport={"width": 1400, "height": 2600})
        opened.set_default_timeout(MILLISECONDS)
        yield opened


def run_all(page: Any, lab: RunningLab, name: str, picture: Path) -> None:
    """Open a notebook, Run All Cells, and see every cell numbered and none in error."""
    address = urlsplit(lab.address)
    page.goto(
        f"{address.scheme}://{address.netloc}/lab/tree/notebooks/{name}.ipynb?{address.query}&reset"
    )
    page.locator(".jp-NotebookPanel:visible").wait_for()
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    end = time.monotonic() + MILLISECONDS / 1000
    while not all_numbered(prompts := page.locator(PROMPTS).all_inner_texts()):
        assert page.locator(ERRORS).count() == 0, page.locator(ERRORS).first.inner_text()
        assert page.locator(".jp-Dialog").count() == 0, page.locator(".jp-Dialog").inner_text()
        assert time.monotonic() < end, prompts
        page.wait_for_timeout(200)
    page.keyboard.press("Control+s")
    page.locator(".jp-mod-dirty").first.wait_for(state="detached")
    page.screenshot(path=picture)
    assert page.locator(ERRORS).count() == 0
    assert page.locator(WARNINGS).all_inner_texts() == []
    assert page.locator(".jp-Dialog").count() == 0
    assert page.locator(".Toastify__toast").all_inner_texts() == []


def all_numbered(prompts: list[str]) -> bool:
    return bool(prompts) and all(text.strip("[]: ").isdigit() for text in prompts)


def test_notebooks_run_those_of_a_run_twice_move_no_real_state_and_end_with_the_lab(
    lab: RunningLab,
    page: Any,
    settings: Settings,
    lake: Lake,
    warehouse: Warehouse,
    tmp_path: Path,
) -> None:
    files = sorted((lab.project / "notebooks").glob("*.ipynb"))
    before = {path.name: path.read_bytes() for path in files}
    for name in NAMES:
        run_all(page, lab, name, tmp_path / f"{name}-first.png")
    for name in NAMES_OF_A_RUN:
        run_all(page, lab, name, tmp_path / f"{name}-second.png")

    assert {path.name: path.read_bytes() for path in files} == before
    for source in ("cnpj_ws", "installments"):
        assert StateStore(settings, lake).read_source(source) == SourceState(source=source)
    assert lake.objects(settings.lake_bucket, paths_of(settings).landing) == []
    assert lake.objects(settings.archive_bucket, f"{settings.prefix}/") == []
    assert warehouse.columns("bronze", "installments") is None
    sandbox = Warehouse(sandbox_settings(settings), warehouse.effects)
    table = sandbox.table_id("gold", "payment_analytics_detailed")
    assert sandbox.query(f"SELECT count(*) AS n FROM `{table}`") == [{"n": 20}]
    assert_an_interrupt_ends(lab)


def assert_an_interrupt_ends(lab: RunningLab) -> None:
    """With all the kernels that notebooks still have."""
    family = psutil.Process(lab.process.pid).children(recursive=True)
    assert any("ipykernel" in " ".join(process.cmdline()) for process in family)

    lab.process.send_signal(signal.SIGINT)

    assert lab.process.wait(SECONDS_TO_END) == 0
    assert psutil.wait_procs(family, timeout=5)[1] == []
