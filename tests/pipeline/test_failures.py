"""Seven ways in which a run fails: each is named in notebook, manifest, page, exit and alert."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from credix.clients.gcs.lake import Lake
from credix.core.paths import paths_of
from credix.core.settings import Settings
from credix.pipeline.history.page import decode_day, read_days
from credix.pipeline.history.run_line import RunLine
from credix.pipeline.notebooks.templates import KERNEL_NAME
from tests.known import known
from tests.project_copy import copy_project, variables_for
from tests.receiver import Receiver
from tests.tables import Table

SOURCE = "cnpj_ws"
# The notebook a fault is planted in, what a cell does there, and what everybody is told.
KILL = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
SLEEP = "import time\ntime.sleep(60)"
WRONG_SQL = """
build.run.warehouse.drop("temp", "no_such_table")
build.run.warehouse.query("SELECT no_such_column FROM UNNEST([1]) AS n")
"""
NO_PARQUET = """
[stored] = run.lake.objects(run.settings.lake_bucket, f"{run.settings.prefix}/landing/")
run.lake.blob(stored).bucket.blob(stored.name).upload_from_string(b"this is no Parquet file")
"""
FAULTS = {
    "the kernel is killed": ("02_land", KILL, "kernel"),
    "a cell takes too long": ("02_land", SLEEP, "CREDIX_NOTEBOOK_TIMEOUT_SECONDS"),
    "SQL that is wrong": ("04_transform", WRONG_SQL, "BigQuery refused a query"),
    "a load that is refused": ("03_load", NO_PARQUET, "refuse"),
    "SIGTERM": ("02_land", SLEEP, "SIGTERM"),
    "Ctrl-C": ("02_land", SLEEP, "nterrupted"),
    "a cell that leaves early": ("02_land", "import sys\nsys.exit(0)", "left it early"),
}
SIGNALS = {"SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}
# Two seconds on a machine that has nothing else to do.
SECONDS_TO_END = 10


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    """A copy of the project whose notebooks a test may break."""
    return copy_project(tmp_path / "project")


def plant(workbook: Path, notebook: str, code: str) -> None:
    """A cell with a fault behind the one that opens the run."""
    path = workbook / "notebooks" / f"{notebook}.ipynb"
    content = nbformat.read(path, as_version=4)
    opened = next(i for i, cell in enumerate(content.cells) if "resume_run(" in cell.source)
    content.cells.insert(opened + 1, nbformat.v4.new_code_cell(code))
    nbformat.write(content, path)


def fail(
    settings: Settings, workbook: Path, receiver: Receiver, fault: str, notebook: str
) -> tuple[int, str]:
    """Exit code and output of the run, whose alerts the receiver gets."""
    timeout = "5" if fault == "a cell takes too long" else "600"
    variables = {
        **variables_for(workbook, settings),
        "CREDIX_ALERT_URLS": f"json://{receiver.address}/",
        "CREDIX_NOTEBOOK_TIMEOUT_SECONDS": timeout,
    }
    # As a terminal starts it: behind `&` a shell has its children ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, str(workbook / "run_pipeline.py"), "run", "cnpj"],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if fault in SIGNALS:
        wait_for_cell(settings, notebook)
        end(process, SIGNALS[fault])
    return process.wait(180), process.communicate()[0]


def end(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send the signal; the run and its children are gone soon."""
    children = psutil.Process(process.pid).children(recursive=True)
    assert any(child.name() == KERNEL_NAME for child in children)
    process.send_signal(number)
    process.wait(SECONDS_TO_END)
    deadline = time.monotonic() + SECONDS_TO_END
    while any(is_at_work(child) for child in children):
        assert time.monotonic() < deadline, "a child outlived its run"
        time.sleep(0.1)


def is_at_work(process: psutil.Process) -> bool:
    """False also for one that has ended and that nobody has asked how."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for_cell(settings: Settings, notebook: str) -> None:
    """Until the planted cell is at work."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for path in settings.run_dir.glob(f"*/{notebook}.{SOURCE}.ipynb"):
            if '"status": "running"' in path.read_text("utf-8"):
                time.sleep(1)
                return
        time.sleep(0.1)
    raise AssertionError("The planted cell was never reached.")


def line_of(lake: Lake) -> RunLine:
    """The newest run on the page of all runs."""
    found = lake.read_text(lake.settings.runs_bucket, paths_of(lake.settings).history)
    assert found is not None
    days = read_days(found[0])
    return decode_day(days[max(days)])[0]


@pytest.mark.usefixtures("warehouse")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_is_named_everywhere(
    settings: Settings,
    tables: dict[str, Table],
    lake: Lake,
    receiver: Receiver,
    workbook: Path,
    fault: str,
) -> None:
    notebook, code, cause = FAULTS[fault]
    tables[SOURCE].insert()
    plant(workbook, notebook, code)

    exit_code, output = fail(settings, workbook, receiver, fault, notebook)

    assert exit_code == 1
    assert cause in output
    [path] = settings.run_dir.glob(f"*/{notebook}.{SOURCE}.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    [banner] = [cell.source for cell in cells if "did not reach its end" in cell.source]
    assert cause in banner
    assert "Not run: the notebook ended before this cell." in str(cells[-1].outputs)
    [manifest] = [
        json.loads(p.read_text("utf-8")) for p in settings.run_dir.glob("*/manifest.json")
    ]
    assert manifest["status"] == "failed"
    assert cause in manifest["error"]
    broken = manifest["broken_step"]
    assert (broken["source"], broken["step"]) == (SOURCE, notebook)
    done = [effect["name"] for effect in broken["effects"]]
    assert ("warehouse.drop" in done) is (code == WRONG_SQL)
    line = line_of(lake)
    assert (line.id, line.status) == (manifest["run_id"], "failed")
    assert cause in line.error
    assert known(line.failed_at).startswith(f"{notebook}.{SOURCE}.html#cell-id=")
    if fault == "Ctrl-C":
        # Who ended it knows.
        assert receiver.messages == []
        return
    [(_, message)] = receiver.messages
    assert message["title"].endswith("run cnpj")
    assert cause in message["message"]
