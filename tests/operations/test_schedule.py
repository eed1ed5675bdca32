"""Jobs at their times: when, which, and what a failure or an interrupt does to the rest."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest

from credix.cli.schedule import choose_lines
from credix.core.errors import SettingsError
from credix.core.jobs import all_jobs
from credix.core.schedules import default_lines
from credix.operations import schedule as module
from credix.operations.schedule import Schedule, parse_cron

ZONE = "America/Sao_Paulo"
MONDAY = datetime(2026, 3, 30, 4, 58, tzinfo=ZoneInfo(ZONE))
SECONDS_TO_END = 5


def planned(**lines: str) -> Schedule:
    return Schedule(lines, ZONE, print)


def test_jobs_run_at_their_own_times_in_the_business_s_zone() -> None:
    coming = Schedule(choose_lines((), default_lines()), ZONE, print).next_runs(MONDAY)
    assert [job for job, _ in coming] == ["installments", "full", "monitoring", "cnpj"]
    assert f"{coming[0][1]:%H:%M}" == "05:00"


def test_a_weekday_by_name_is_the_day_of_that_name() -> None:
    [(_, at)] = planned(full="30 7 * * sat").next_runs(MONDAY)
    assert f"{at:%a %H:%M}" == "Sat 07:30"


@pytest.mark.parametrize(
    "line", ["", "* * * *", "0 5 * * 1", "61 * * * *", "0 5 1 * mon", "nonsense"]
)
def test_a_line_that_is_no_cron_line_is_refused_by_name(line: str) -> None:
    with pytest.raises(SettingsError, match="The schedule of full is"):
        parse_cron("full", line, ZONE)


def test_another_time_replaces_the_job_s_own_and_never_leaves_it_out() -> None:
    lines = choose_lines(("full=0 6 * * *", "cnpj = never"), default_lines())
    assert lines["full"] == "0 6 * * *"
    assert set(lines) == set(all_jobs()) - {"cnpj"}


@pytest.mark.parametrize("given", ["full", "weekly=0 5 * * *"])
def test_a_time_for_no_job_is_refused(given: str) -> None:
    with pytest.raises(SettingsError):
        choose_lines((given,), default_lines())


def test_nothing_to_run_is_refused() -> None:
    with pytest.raises(SettingsError, match="nothing to run"):
        choose_lines(tuple(f"{job}=never" for job in all_jobs()), default_lines())


def answer(tmp_path: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command in the place of `run_pipeline.py`: what a run does is not at stake here."""
    script = tmp_path / "run_pipeline.py"
    script.write_text(code, "utf-8")
    monkeypatch.setattr(module, "COMMAND", script)


@pytest.mark.parametrize(("code", "outcome"), [(0, "done"), (1, "failed"), (3, "held")])
def test_how_a_job_ended_is_told_with_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, outcome: str
) -> None:
    answer(tmp_path, f"raise SystemExit({code})", monkeypatch)
    told: list[str] = []
    Schedule({"full": "0 5 * * *"}, ZONE, told.append)._run_job("full")
    assert told[0].endswith("full starts")
    assert outcome in told[1]
    assert told[2].startswith("Next: full")


def test_the_next_job_can_be_run_alone_and_says_how_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(tmp_path, "raise SystemExit(3)", monkeypatch)
    told: list[str] = []
    alone = planned(full="0 5 * * *")
    alone.say = told.append
    at = datetime.now(ZoneInfo(ZONE)) + timedelta(seconds=0.3)
    monkeypatch.setattr(alone, "next_runs", lambda: [("cnpj", at)])
    assert alone.run_next() == 3
    assert datetime.now(ZoneInfo(ZONE)) >= at
    assert next(line for line in told if "starts" in line).endswith("cnpj starts")


SCRIPT = """
import signal, sys
from pathlib import Path
from credix.core.interrupts import TerminatedError, terminate
from credix.operations import schedule
signal.signal(signal.SIGTERM, terminate)
schedule.COMMAND = Path(sys.argv[1])
planned = schedule.Schedule({"full": "* * * * *"}, "UTC", lambda text: print(text, flush=True))
planned._triggers = lambda: {"full": schedule.CronTrigger(second="*")}
try:
    planned.run()
except TerminatedError:
    sys.exit(1)
"""


def to_the_process(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)


def to_a_thread_that_is_not_the_main_one(process: subprocess.Popen[str]) -> None:
    """As the system may: a thread that starts a run just then takes what wakes the main one."""
    others = {thread.id for thread in psutil.Process(process.pid).threads()} - {process.pid}
    os.kill(others.pop(), signal.SIGTERM)


@pytest.mark.parametrize("send", [to_the_process, to_a_thread_that_is_not_the_main_one])
def test_sigterm_ends_the_schedule_and_the_run_that_is_at_work(
    tmp_path: Path, send: Callable[[subprocess.Popen[str]], None]
) -> None:
    run = tmp_path / "run_pipeline.py"
    run.write_text("import time; time.sleep(60)", "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(run)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    while "starts" not in process.stdout.readline():
        pass
    deadline = time.monotonic() + 20
    while not (children := psutil.Process(process.pid).children()):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    try:
        send(process)
        assert process.wait(20) == 1
        assert not psutil.wait_procs(children, timeout=SECONDS_TO_END)[1]
    finally:
        process.kill()
        for left in children:
            with suppress(psutil.NoSuchProcess):
                left.kill()
