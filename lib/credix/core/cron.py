"""Cron lines as values: the minutes they name, and the longest time that they leave in between."""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import pairwise

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_OF_A_DAY = 24 * 60
# Five years hold a leap day and each weekday on each day of the month.
LEAP_YEAR = 2024
FIRST_DAY, DAYS = date(LEAP_YEAR, 1, 1), 5 * 366


@dataclass(frozen=True)
class Cron:
    """One line of five fields, as the numbers that each field names; Monday is weekday 0."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def is_due_on(self, day: date) -> bool:
        return day.day in self.days and day.month in self.months and day.weekday() in self.weekdays

    @property
    def minutes_of_a_day(self) -> frozenset[int]:
        return frozenset(60 * hour + minute for hour in self.hours for minute in self.minutes)


def parse(line: str) -> Cron:
    """Parse a line of five fields; raises ValueError with what is wrong.

    Weekdays are names, since cron counts them from Sunday and other software from Monday. A line
    names days of the month or weekdays, not both: cron takes either of the two then, other software
    both at once.
    """
    fields = line.lower().split()
    if len(fields) != 5 or any(letter.isdigit() for letter in fields[4].partition("/")[0]):
        raise ValueError("write five fields, with names for weekdays, as in '30 7 * * mon-fri'")
    if fields[2] != "*" and fields[4] != "*":
        raise ValueError("name days of the month or weekdays, not both")
    days = parse_field(fields[2], range(1, 32))
    months = parse_field(fields[3], range(1, 13), MONTHS)
    if min(days) > max(monthrange(LEAP_YEAR, month)[1] for month in months):
        raise ValueError("it is never due: none of its months has such a day")
    return Cron(
        parse_field(fields[0], range(60)),
        parse_field(fields[1], range(24)),
        days,
        months,
        parse_field(fields[4], range(7), WEEKDAYS),
    )


def parse_lines(text: str) -> dict[str, str]:
    """Parse `full=0 5 * * *; monitoring=0 12 * * *`; raises ValueError with what is wrong."""
    lines: dict[str, str] = {}
    for part in filter(str.strip, text.split(";")):
        job, is_split, line = (word.strip() for word in part.partition("="))
        if not is_split:
            raise ValueError(f"'{part.strip()}' is not JOB=CRON, as in 'full=0 5 * * *'")
        try:
            parse(line)
        except ValueError as error:
            raise ValueError(f"the schedule of {job} is '{line}': {error}") from None
        lines[job] = line
    return lines


def write_lines(lines: Mapping[str, str]) -> str:
    return "; ".join(f"{job}={line}" for job, line in lines.items())


def parse_field(field: str, allowed: range, names: tuple[str, ...] = ()) -> frozenset[int]:
    """Return the numbers of `*`, `5`, `1-5`, `*/15`, `8-18/2`, `mon-fri` or a list of those."""
    numbers: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, is_span, last = span.partition("-")
        if span == "*":
            begin, end = allowed[0], allowed[-1]
        else:
            begin = number_of(first, allowed, names)
            end = number_of(last, allowed, names) if is_span else begin
        takes_step = span == "*" or bool(is_span)
        if begin > end or (step and not (takes_step and step.isdecimal() and int(step))):
            raise ValueError(f"'{part}' is no part of a cron line")
        numbers.update(range(begin, end + 1, int(step or 1)))
    return frozenset(numbers)


def number_of(text: str, allowed: range, names: tuple[str, ...]) -> int:
    if text in names:
        return allowed[names.index(text)]
    if not text.isdecimal() or int(text) not in allowed:
        raise ValueError(f"'{text}' is not between {allowed[0]} and {allowed[-1]}")
    return int(text)


def longest_gap(lines: Iterable[Cron]) -> timedelta:
    """The longest time from one due minute of any of the lines to the next one, by the clock.

    A change to or from summer time makes a gap an hour longer or shorter than this. Raises
    ValueError where no line is ever due.
    """
    crons = list(lines)
    gap, last = 0, None
    for number in range(DAYS):
        day = FIRST_DAY + timedelta(days=number)
        due = frozenset(cron for cron in crons if cron.is_due_on(day))
        if due:
            first, final, within = spread(due)
            begin = number * MINUTES_OF_A_DAY
            gap = max(gap, within, begin + first - last if last is not None else 0)
            last = begin + final
    if not gap:
        raise ValueError("it is never due")
    return timedelta(minutes=gap)


@cache
def spread(crons: frozenset[Cron]) -> tuple[int, int, int]:
    """The first and the last due minute of a day, and the longest gap between two of them."""
    due = sorted(frozenset().union(*(cron.minutes_of_a_day for cron in crons)))
    within = max((after - before for before, after in pairwise(due)), default=0)
    return due[0], due[-1], within
