"""Parts on disk: kept while somebody may need them, and no longer."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from credix.leases import new_lease
from credix.runs.clear_parts import clear_parts, superseded_runs
from credix.state import LastRun, Lease, SourceState

FAILED = LastRun(
    run_id="failed", job="cnpj", status="failed", finished_at=datetime.now(UTC), rows=0
)


@pytest.fixture
def living() -> Iterator[Lease]:
    """The lease of another process that lives until the test is over."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = psutil.Process(process.pid).create_time()
    held = new_lease("sleeping", timedelta(seconds=-1))
    yield held.model_copy(update={"pid": process.pid, "process_started_at": started})
    process.kill()
    process.wait()


def test_all_parts_of_the_source_go_and_everything_else_stays(tmp_path: Path) -> None:
    gone = [
        tmp_path / folder / "installments" / "parts" / "0.parquet"
        for folder in ("", "slices/0002", "slices/0003/repair")
    ]
    gone.append(tmp_path / "installments" / "rereads.parquet")
    kept = [
        tmp_path / "installments" / "01_extract.json",
        tmp_path / "cnpj_ws" / "parts" / "0.parquet",
        tmp_path / "01_extract.installments.ipynb",
    ]
    for path in gone + kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")

    clear_parts(tmp_path, "installments")

    assert [path for path in gone + kept if path.exists()] == kept
    clear_parts(tmp_path / "of another machine", "installments")


def test_the_last_run_and_a_dead_one_are_late_for_good() -> None:
    assert superseded_runs(SourceState(source="s")) == set()
    dead = new_lease("dead", timedelta(minutes=5)).model_copy(update={"boot_id": "an older one"})
    assert superseded_runs(SourceState(source="s", last_run=FAILED, lease=dead)) == {
        "failed",
        "dead",
    }


def test_a_run_that_only_sleeps_keeps_its_parts_though_its_lease_is_over(living: Lease) -> None:
    assert superseded_runs(SourceState(source="s", lease=living)) == set()
