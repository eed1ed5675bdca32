"""Leases: a holder is judged gone only where that is certain."""

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from credix.core.errors import BusyError
from credix.state.leases import MACHINE_IDS, boot_id, is_abandoned, new_lease, require_idle
from credix.state.states import Lease

TERM = timedelta(minutes=5)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Another process that lives until the test is over."""
    running = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    yield running
    running.kill()
    running.wait()


def lease_of(process: subprocess.Popen[bytes]) -> Lease:
    started = psutil.Process(process.pid).create_time()
    other = {"instance": "another", "pid": process.pid, "process_started_at": started}
    return new_lease("r", TERM).model_copy(update=other)


def test_a_new_lease_names_this_process_and_ends_after_its_term() -> None:
    before = datetime.now(UTC)
    lease = new_lease("r", TERM)
    assert (lease.run_id, lease.pid, lease.boot_id) == ("r", os.getpid(), boot_id())
    assert before + TERM <= lease.expires_at <= datetime.now(UTC) + TERM


def test_a_living_process_keeps_its_lease(process: subprocess.Popen[bytes]) -> None:
    assert not is_abandoned(lease_of(process))


def test_a_killed_process_loses_its_lease(process: subprocess.Popen[bytes]) -> None:
    lease = lease_of(process)
    process.kill()
    process.wait()
    assert is_abandoned(lease)


def test_a_killed_process_that_nobody_waited_for_loses_its_lease(
    process: subprocess.Popen[bytes],
) -> None:
    lease = lease_of(process)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_abandoned(lease)


def test_another_process_under_the_same_number_does_not_keep_it(
    process: subprocess.Popen[bytes],
) -> None:
    lease = lease_of(process)
    earlier = lease.model_copy(update={"process_started_at": lease.process_started_at - 3600})
    assert is_abandoned(earlier)


def test_an_earlier_lease_of_this_very_process_is_abandoned() -> None:
    assert is_abandoned(new_lease("r", TERM))
    on_cloud_run = new_lease("r", TERM, "workbook-full-x7k2p/0")
    assert is_abandoned(on_cloud_run)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", "elsewhere"),
        ("machine_id", "another"),
        ("boot_id", "another"),
        ("pid_namespace", "pid:[1]"),
        ("execution", "workbook-full-x7k2p/0"),
    ],
)
def test_of_a_process_that_is_gone_nothing_is_known_unless_all_evidence_is_equal(
    process: subprocess.Popen[bytes], field: str, value: str
) -> None:
    lease = lease_of(process)
    process.kill()
    process.wait()
    assert is_abandoned(lease)
    assert not is_abandoned(lease.model_copy(update={field: value}))


def test_two_instances_of_cloud_run_with_one_name_and_one_pid_respect_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "localhost")
    theirs = new_lease("r", TERM).model_copy(update={"instance": "theirs", "boot_id": "theirs"})
    assert theirs.pid == os.getpid()
    assert not is_abandoned(theirs)


@pytest.mark.parametrize("missing", ["MACHINE_IDS", "BOOT_ID", "PID_NAMESPACE"])
def test_a_system_without_one_of_the_ids_makes_leases_and_judges_only_its_own(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    nowhere = Path("/nowhere/at/all")
    value = (nowhere,) if missing == "MACHINE_IDS" else nowhere
    monkeypatch.setattr(f"credix.state.leases.{missing}", value)
    lease = lease_of(process)
    process.kill()
    process.wait()
    assert not is_abandoned(lease)
    assert is_abandoned(new_lease("r", TERM))


def test_a_lease_of_an_earlier_version_is_read_and_waited_for() -> None:
    known = new_lease("r", TERM).model_dump_json(
        exclude={"execution", "instance", "machine_id", "pid_namespace"}
    )
    assert not is_abandoned(Lease.model_validate_json(known))


def test_the_id_of_the_machine_itself_is_in_no_lease() -> None:
    read = [path.read_text().strip() for path in MACHINE_IDS if path.exists()]
    assert new_lease("r", TERM).machine_id not in read


def test_a_forked_process_is_another_one() -> None:
    own = new_lease("r", TERM).instance
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_lease("r", TERM).instance.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100).decode() not in ("", own)
    os.close(reading)
    os.close(writing)


def test_a_source_is_idle_once_the_term_of_a_lease_is_over() -> None:
    theirs = new_lease("r", TERM).model_copy(update={"host": "elsewhere", "instance": "theirs"})
    with pytest.raises(BusyError, match=r"run r works on installments.*after .* UTC"):
        require_idle(theirs, "installments")
    require_idle(theirs.model_copy(update={"expires_at": datetime.now(UTC)}), "installments")
