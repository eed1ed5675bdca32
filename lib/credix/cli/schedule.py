"""The command `schedule`."""

import os
import sys
from collections.abc import Mapping

import click

from credix.cli import terminal
from credix.cli.help import ENV_OPTION, examples
from credix.core.cron import write_lines
from credix.core.errors import SettingsError
from credix.core.jobs import find_job
from credix.core.schedules import lines_in_force
from credix.operations import environment

NEVER = "never"


@click.command(
    epilog=examples(
        ("schedule", "until Ctrl-C"),
        ("schedule --list", "when each job runs next"),
        ("schedule --at 'full=30 7 * * mon-fri' --at installments=never", "other times"),
        ("schedule --once", "the job that comes next, and its exit code"),
    )
)
@ENV_OPTION
@click.option(
    "--at",
    "lines",
    multiple=True,
    metavar="JOB=CRON",
    help="Another time for a job, as in --at 'full=30 7 * * mon-fri'; 'JOB=never' leaves it out.",
)
@click.option("--once", "is_once", is_flag=True, help="Run the job that comes next, and end.")
@click.option("--list", "is_listed", is_flag=True, help="Show when each job runs next, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print JSON.")
def schedule(
    env: str | None, lines: tuple[str, ...], *, is_once: bool, is_listed: bool, as_json: bool
) -> None:
    """Run the jobs at their times, one at a time, until Ctrl-C."""
    if is_once and is_listed:
        raise click.UsageError("--once runs a job, --list runs none: give one of the two.")
    settings = environment.enter(env, terminal.say, writes=not is_listed)
    from credix.operations.schedule import Schedule

    chosen = choose_lines(lines, lines_in_force(settings))
    own = {"CREDIX_TRIGGER": "schedule", "CREDIX_SCHEDULE": write_lines(chosen)}
    variables = {**os.environ, **settings.variables(), **own}
    planned = Schedule(chosen, settings.timezone, terminal.say, variables)
    if is_once:
        sys.exit(planned.run_next())
    if not is_listed:
        planned.run()
        return
    coming = planned.next_runs()
    if as_json:
        terminal.print_json([{"job": job, "next": at.isoformat()} for job, at in coming])
        return
    rows = [(job, planned.lines[job], f"{at:%Y-%m-%d %H:%M}") for job, at in coming]
    terminal.print_table(f"Schedule ({settings.timezone})", ["job", "cron", "next"], rows)


def choose_lines(given: tuple[str, ...], known: Mapping[str, str]) -> dict[str, str]:
    """Return the lines in force, with those that the user gives.

    Raises SettingsError naming the fault.
    """
    chosen = {find_job(name).name: line for name, line in known.items()}
    for text in given:
        name, is_split, line = text.partition("=")
        if not is_split:
            raise SettingsError(f"--at {text}: write JOB=CRON, as in 'full=0 5 * * *'.")
        chosen[find_job(name.strip()).name] = line.strip()
    left = {name: line for name, line in chosen.items() if line != NEVER}
    if not left:
        raise SettingsError("Every job is left out: there is nothing to run.")
    return left


COMMANDS = (schedule,)
