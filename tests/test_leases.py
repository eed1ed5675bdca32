"""Leases: a holder is judged dead only where this host knows it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from credix.leases import boot_id, is_abandoned, new_lease
from credix.state import Lease

TERM = timedelta(minutes=5)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Another process that lives until the test is over."""
    running = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield running
    running.kill()
    running.wait()


def lease_of(process: subprocess.Popen[bytes]) -> Lease:
    started = psutil.Process(process.pid).create_time()
    return new_lease("r", TERM).model_copy(
        update={"pid": process.pid, "process_started_at": started}
    )


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


def test_a_lease_from_before_the_machine_started_is_abandoned(
    process: subprocess.Popen[bytes],
) -> None:
    assert is_abandoned(lease_of(process).model_copy(update={"boot_id": "another"}))


def test_an_earlier_lease_of_this_very_process_is_abandoned() -> None:
    assert is_abandoned(new_lease("r", TERM))


def test_nothing_is_known_of_another_host() -> None:
    elsewhere = new_lease("r", TERM).model_copy(update={"host": "elsewhere", "boot_id": "x"})
    assert not is_abandoned(elsewhere)
