"""A disk that is full or cannot be written to is one sentence that names it and the setting."""

import errno
import os
from pathlib import Path

import pytest

from credix.core.disk import disk_error, disk_named, reported_error, require_writable
from credix.core.errors import DiskError
from credix.core.jobs import find_job
from credix.core.settings import Settings
from credix.pipeline.pipeline import Pipeline, Request
from credix.state.run import write_text
from tests.pipeline.test_pipeline import Silent

FOLDER = Path("/runs/one")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_whatever_the_file(number: int) -> None:
    full = pytest.raises(DiskError, match=r"disk of /runs/one is full.*CREDIX_RUN_DIR")
    with full, disk_named(FOLDER):
        raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("name", ["/runs/one", "/runs/one/cnpj_ws/run.part", "/runs"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOENT])
def test_a_folder_that_cannot_be_written_to_is_named(number: int, name: str) -> None:
    error = disk_error(OSError(number, os.strerror(number), name), FOLDER)
    assert error is not None
    assert "/runs/one cannot be written to" in str(error)
    assert "CREDIX_RUN_DIR" in str(error)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EACCES, "Permission denied", "/keys/account.json"),
        OSError(errno.ECONNRESET, "Connection reset by peer"),
        ValueError("[Errno 28] No space left on device"),
    ],
)
def test_what_is_no_fault_of_the_disk_stays_what_it_is(error: Exception) -> None:
    assert disk_error(error, FOLDER) is None


def test_a_full_disk_that_a_kernel_met_is_known_by_its_number() -> None:
    assert reported_error("OSError", "[Errno 28] No space left on device", FOLDER) is not None
    assert reported_error("OSError", "[Errno 13] Permission denied", FOLDER) is None
    assert reported_error("ValueError", "[Errno 28] No space left on device", FOLDER) is None


def test_a_step_result_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where a folder should be")
    with pytest.raises(DiskError, match="cannot be written to"):
        write_text(tmp_path / "run" / "cnpj_ws" / "run.json", "{}")


def test_a_folder_that_can_be_written_to_is_left_empty(tmp_path: Path) -> None:
    require_writable(tmp_path / "runs" / "one")
    assert list((tmp_path / "runs" / "one").iterdir()) == []


def test_a_run_that_could_keep_nothing_ends_before_it_holds_its_source(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "runs").write_text("a file where a folder should be")
    nowhere = settings.model_copy(update={"run_dir": tmp_path / "runs"})
    run = Pipeline(nowhere, Request(find_job("cnpj"), None, {}, {}), Silent())
    with pytest.raises(DiskError, match="CREDIX_RUN_DIR"):
        run.run()
    assert run.states.read_source("cnpj_ws").attempt == 0
