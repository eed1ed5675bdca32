"""The jobs at their times (`schedules.py`), in the foreground: for people without Cloud Scheduler.

One at a time, since they share sources and gold. A job whose time comes while it still runs is left
out that once, and what was missed while the machine slept runs once, not as often as it was missed.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor as Threads
from concurrent.futures import wait
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from credix.core import cron
from credix.core.errors import SettingsError
from credix.core.settings import PROJECT_DIR

COMMAND = PROJECT_DIR / "run_pipeline.py"
# A run ends within two seconds of SIGTERM.
SECONDS_TO_END = 10
# Never one long sleep: a signal can reach another thread, where it does not end the sleep, and a
# machine that was asleep goes on at the right time.
SECONDS_OF_A_NAP = 1
ENDED = 1
OUTCOMES = {0: "done", 1: "failed", 2: "not started: wrong settings", 3: "not started: held"}


@dataclass
class Schedule:
    """Cron lines by job, of five fields, in one time zone; `say` receives what begins and ends."""

    lines: Mapping[str, str]
    timezone: str
    say: Callable[[str], None]
    variables: Mapping[str, str] = field(default_factory=dict)
    running: subprocess.Popen[bytes] | None = None
    is_ending: bool = False
    _starting: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Run the jobs until a signal interrupts; a run that is at work is ended then."""
        scheduler = self._build()
        scheduler.add_listener(self._left_out, EVENT_JOB_MAX_INSTANCES)
        self._tell_next()
        try:
            scheduler.start()
            # An interrupt is raised here: within the library it would be logged and forgotten.
            while True:
                time.sleep(SECONDS_OF_A_NAP)
        finally:
            scheduler.shutdown(wait=False)
            self._end_running()

    def run_next(self) -> int:
        """Wait for the job that comes next, run it, and return how it ended."""
        job, at = self.next_runs()[0]
        self._tell_next()
        while (left := (at - datetime.now(at.tzinfo)).total_seconds()) > 0:
            time.sleep(min(left, SECONDS_OF_A_NAP))
        with Threads(1) as pool:
            run = pool.submit(self._run_job, job)
            try:
                while not run.done():
                    wait([run], SECONDS_OF_A_NAP)
                return run.result()
            finally:
                self._end_running()

    def next_runs(self, now: datetime | None = None) -> list[tuple[str, datetime]]:
        """When each job runs next, the soonest first."""
        zone = ZoneInfo(self.timezone)
        moment = now or datetime.now(zone)
        found = [
            (job, trigger.get_next_fire_time(None, moment))
            for job, trigger in self._triggers().items()
        ]
        return sorted(((job, at) for job, at in found if at), key=lambda pair: pair[1])

    def _triggers(self) -> dict[str, CronTrigger]:
        return {job: parse_cron(job, line, self.timezone) for job, line in self.lines.items()}

    def _build(self) -> BackgroundScheduler:
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=self.timezone,
        )
        for job, trigger in self._triggers().items():
            scheduler.add_job(self._run_job, trigger, args=[job], id=job)
        return scheduler

    def _run_job(self, job: str) -> int:
        """Return a process of its own per run: whatever becomes of it, the schedule goes on."""
        self.say(f"{now_text(self.timezone)}  {job} starts")
        command = [sys.executable, str(COMMAND), "run", job]
        # What ends the schedule finds either this run, or that none may begin any more.
        with self._starting:
            if self.is_ending:
                return ENDED
            self.running = subprocess.Popen(command, env=dict(self.variables) or None)
        code = self.running.wait()
        self.running = None
        self.say(f"{now_text(self.timezone)}  {job} {OUTCOMES.get(code, f'ended by {code}')}")
        self._tell_next()
        return code

    def _left_out(self, event: JobExecutionEvent) -> None:
        self.say(f"{now_text(self.timezone)}  {event.job_id} is left out: it still runs")

    def _tell_next(self) -> None:
        listed = ", ".join(f"{job} {at:%a %H:%M}" for job, at in self.next_runs())
        self.say(f"Next: {listed}")

    def _end_running(self) -> None:
        with self._starting:
            self.is_ending, running = True, self.running
        if running is None or running.poll() is not None:
            return
        running.terminate()
        try:
            running.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            running.kill()


def parse_cron(job: str, line: str, timezone: str) -> CronTrigger:
    """Raise SettingsError naming the job and its line."""
    try:
        cron.parse(line)
        found: CronTrigger = CronTrigger.from_crontab(line, timezone)
        return found
    except ValueError as error:
        raise SettingsError(f"The schedule of {job} is '{line}': {error}.") from None


def now_text(timezone: str) -> str:
    return f"{datetime.now(ZoneInfo(timezone)):%Y-%m-%d %H:%M:%S}"
