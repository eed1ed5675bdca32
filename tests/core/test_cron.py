"""Cron lines: the minutes that they name, and the longest time in between."""

from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.triggers.cron import CronTrigger

from credix.core.cron import longest_gap, parse, parse_lines, write_lines

DAYS = timedelta(days=1)


@pytest.mark.parametrize(
    ("lines", "gap"),
    [
        (["*/5 * * * *"], timedelta(minutes=5)),
        (["*/7 * * * *"], timedelta(minutes=7)),
        (["0 5 * * *"], DAYS),
        (["15 3 * * *", "0 5 * * *"], timedelta(hours=22, minutes=15)),
        (["0 8-18/2 * * *"], timedelta(hours=14)),
        (["30 7 * * mon-fri"], 3 * DAYS),
        (["30 7 * * sat,sun"], 6 * DAYS),
        (["0 0 1 * *"], 31 * DAYS),
        (["0 0 1 jan,jul *"], 184 * DAYS),
    ],
)
def test_the_longest_gap_is_that_between_two_runs_of_any_line(
    lines: list[str], gap: timedelta
) -> None:
    assert longest_gap(map(parse, lines)) == gap


@pytest.mark.parametrize("line", ["3-40/9 1,13 * * mon,thu", "*/25 */5 10-20 2 *"])
def test_the_minutes_are_those_at_which_the_scheduler_starts_a_job(line: str) -> None:
    trigger = CronTrigger.from_crontab(line, UTC)
    at, due = datetime(2026, 2, 1, tzinfo=UTC), set()
    while (at := trigger.get_next_fire_time(None, at)) and (at.year, at.month) == (2026, 2):
        due.add(at)
        at += timedelta(minutes=1)
    cron, first = parse(line), datetime(2026, 2, 1, tzinfo=UTC)
    named = {
        first + timedelta(days=day, minutes=minute)
        for day in range(28)
        if cron.is_due_on((first + timedelta(days=day)).date())
        for minute in cron.minutes_of_a_day
    }
    assert named == due


@pytest.mark.parametrize(
    "line",
    [
        "",
        "* * * *",
        "0 5 * * 1",
        "61 * * * *",
        "0 24 * * *",
        "5/10 * * * *",
        "*/0 * * * *",
        "9-8 * * * *",
        "0 5 1 * mon",
        "0 5 * * monday",
        "0 0 0 * *",
        "a b c d e",
    ],
)
def test_what_is_no_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(line)


def test_a_line_that_is_never_due_is_refused() -> None:
    with pytest.raises(ValueError, match="never due"):
        longest_gap([parse("0 0 31 feb *")])


def test_the_lines_of_all_jobs_are_one_text() -> None:
    lines = {"installments": "*/5 * * * *", "full": "0 5 * * mon-fri"}
    assert parse_lines(write_lines(lines)) == lines


@pytest.mark.parametrize("text", ["full", "full=0 5 * *", "full: 0 5 * * *"])
def test_a_text_that_names_no_lines_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="full"):
        parse_lines(text)
