"""Kernels that start ahead: one per notebook, none that outlives its run."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync

from credix.clients.bigquery.warehouse import Warehouse
from credix.core.errors import StepError
from credix.core.jobs import find_job
from credix.core.settings import Settings
from credix.pipeline.notebooks import templates
from credix.pipeline.notebooks.kernels import Kernels
from tests.pipeline.test_pipeline import (
    Silent,
    kernels_of,
    run,
    run_with,
    start,
    wait_until,
    waits_for_lock,
)
from tests.tables import Table, bronze_rows


def evaluate(kernel: AsyncKernelManager, code: str, expression: str) -> str:
    """Run code as a cell, then the value of an expression as text."""

    async def ask() -> dict[str, Any]:
        client = kernel.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=60)
            found: dict[str, Any] = await client.execute(
                code, user_expressions={"asked": expression}, reply=True, timeout=60
            )
            return found
        finally:
            client.stop_channels()

    answer = run_sync(ask)()["content"]
    assert answer["status"] == "ok", answer
    found: str = answer["user_expressions"]["asked"]["data"]["text/plain"]
    return found


@pytest.mark.parametrize("can_fork", [templates.CAN_FORK, False])
def test_a_spare_has_its_imports_done_and_an_empty_namespace(
    can_fork: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "CAN_FORK", can_fork)
    names = "[name for name in dir() if not name.startswith('_')]"
    ready = {"credix.workbook.land", "credix.warehouse.landing", "credix.clients.gcs.lake"}
    with Kernels() as kernels:
        bare = evaluate(kernels.take("02_land"), "", names)
        before = set(kernels_of(os.getpid()))
        kernels.prepare("02_land")
        wait_until(lambda: len(kernels_of(os.getpid())) == 2)
        [waiting] = set(kernels_of(os.getpid())) - before
        spare = kernels.take("02_land")

        assert evaluate(spare, "", "__import__('os').getpid()") == str(waiting.pid)
        assert evaluate(spare, "", names) == bare
        assert evaluate(spare, "import sys", f"{ready} <= set(sys.modules)") == "True"
        assert evaluate(spare, "left = 1", "left") == "1"
        kernels.prepare("02_land")
        assert evaluate(kernels.take("02_land"), "", "'left' in globals()") == "False"
    assert kernels_of(os.getpid()) == []


def test_a_job_knows_what_follows_as_soon_as_something_does() -> None:
    def following(job: str, step: str, source: str | None, *, has_rows: bool = True) -> list[str]:
        found = find_job(job).following(step, source, has_rows, has_gold=True)
        return [notebook.partition("_")[0] for notebook in found]

    assert following("cnpj", "01_extract", "cnpj_ws", has_rows=False) == []
    assert following("cnpj", "01_extract", "cnpj_ws") == ["02", "04"]
    assert following("cnpj", "02_land", "cnpj_ws") == ["03", "04"]
    assert following("cnpj", "03_load", "cnpj_ws") == ["04"]
    assert following("cnpj", "04_transform", "cnpj_ws") == []
    assert following("full", "01_extract", "cnpj_ws", has_rows=False) == ["01"]
    assert following("full", "04_transform", "cnpj_ws") == ["01"]
    assert following("full", "04_transform", "installments") == ["04"]
    assert following("full", "04_transform", None) == ["05"]
    assert following("full", "05_report", None) == []


def test_a_kernel_whose_run_died_before_it_looked_ends_by_itself() -> None:
    code = (
        "from credix.pipeline.notebooks.template_process import become_kernel\n"
        "become_kernel([], '.', {}, 1)\n"
        "print('lives')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, b"")


class Watching(Silent):
    """Notes the kernels at each cell; kills those that wait when 02 has ended."""

    def __init__(self) -> None:
        self.at_cell: dict[str, list[int]] = {}
        self.behind: dict[str, list[int]] = {}
        self.killed: list[int] = []

    def cell_started(self, notebook: str, *_: Any) -> None:
        found = [kernel.pid for kernel in kernels_of(os.getpid())]
        self.at_cell.setdefault(notebook, found)

    def step_finished(self, notebook: str, *_: Any) -> None:
        found = kernels_of(os.getpid())
        self.behind[notebook] = [kernel.pid for kernel in found]
        if notebook == "02_land":
            wait_until(lambda: kernels_of(os.getpid()))
            for kernel in kernels_of(os.getpid()):
                self.killed.append(kernel.pid)
                kernel.kill()


def test_a_run_uses_its_spares_replaces_a_killed_one_and_leaves_none(
    settings: Settings, warehouse: Warehouse, tables: dict[str, Table]
) -> None:
    tables["cnpj_ws"].insert(cnpj="11222333000181")
    watching = Watching()

    manifest = run_with(watching, settings, "cnpj", layers=["bronze"])

    assert manifest.status == "done"
    assert bronze_rows(warehouse, tables["cnpj_ws"]) == tables["cnpj_ws"].rows()
    [*spares] = set(watching.behind["01_extract"]) & set(watching.at_cell["02_land"])
    assert spares
    assert watching.killed
    assert not set(watching.killed) & {
        *watching.at_cell["03_load"],
        *watching.at_cell["04_transform"],
    }
    assert set(watching.behind["03_load"]) <= set(watching.at_cell["04_transform"])
    assert watching.behind["04_transform"] == kernels_of(os.getpid()) == []
    # Nothing had changed: nobody needs a second kernel.
    again = Watching()
    assert run_with(again, settings, "cnpj", layers=["bronze"]).status == "no_changes"
    assert again.behind == {"01_extract": []}


@pytest.mark.usefixtures("warehouse")
def test_an_import_that_fails_fails_the_notebook_that_needs_it(
    settings: Settings,
    tables: dict[str, Table],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables["cnpj_ws"].insert(cnpj="11222333000181")
    forbid = "import sys\nsys.modules['credix.warehouse.landing'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(forbid, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    with pytest.raises(
        StepError, match=r"02_land failed: ModuleNotFoundError.*credix\.warehouse\.landing"
    ):
        run(settings, "cnpj")

    assert kernels_of(os.getpid()) == []


@pytest.fixture
def waiting(settings: Settings, tables: dict[str, Table]) -> Iterator[subprocess.Popen[str]]:
    """A run in its first notebook, with a spare kernel, until the test lets go of the table."""
    table = tables["cnpj_ws"]
    table.connection.autocommit = False
    table.execute("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    # Tests that run in the background may ignore it, and what they start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = start(settings, "full", CREDIX_RETRY_SECONDS="120")
    with closing(table.connection):
        wait_until(lambda: waits_for_lock(table))
        yield process
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.usefixtures("warehouse")
def test_no_kernel_outlives_a_run_that_is_interrupted(waiting: subprocess.Popen[str]) -> None:
    """Of SIGTERM and SIGKILL tests.pipeline.test_pipeline says the same."""
    wait_until(lambda: len(kernels_of(waiting.pid)) == 2)
    kernels = psutil.Process(waiting.pid).children(recursive=True)

    waiting.send_signal(signal.SIGINT)

    assert waiting.wait(60) == 1
    assert not psutil.wait_procs(kernels, timeout=20)[1]
