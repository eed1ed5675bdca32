"""The days on which no bank of Brazil opens: the seed `bank_holidays` of the dbt project.

National holidays by the calendar of the banks' federation and of the financial market (FEBRABAN,
ANBIMA; Resolução CMN 4.880/2020): the fixed ones, and those that move with Easter.
"""

import csv
import io
from collections.abc import Iterator
from datetime import date, timedelta

FIRST_YEAR, LAST_YEAR = 2000, 2078
# Month, day, name, and the first year it is one of.
FIXED = (
    (1, 1, "Confraternização Universal", FIRST_YEAR),
    (4, 21, "Tiradentes", FIRST_YEAR),
    (5, 1, "Dia do Trabalho", FIRST_YEAR),
    (9, 7, "Independência do Brasil", FIRST_YEAR),
    (10, 12, "Nossa Senhora Aparecida", FIRST_YEAR),
    (11, 2, "Finados", FIRST_YEAR),
    (11, 15, "Proclamação da República", FIRST_YEAR),
    # National since Lei 14.759/2023.
    (11, 20, "Zumbi e Consciência Negra", 2024),
    (12, 25, "Natal", FIRST_YEAR),
)
# Days from Easter Sunday, and name.
MOVABLE = (
    (-48, "Carnaval (segunda-feira)"),
    (-47, "Carnaval (terça-feira)"),
    (-2, "Paixão de Cristo"),
    (60, "Corpus Christi"),
)
SATURDAY = 5


def holidays_of(year: int) -> dict[date, str]:
    """Return the bank holidays of a year, also those on a weekend; two on one day are one."""
    found = {date(year, month, day): name for month, day, name, since in FIXED if year >= since}
    for days, name in MOVABLE:
        found.setdefault(easter(year) + timedelta(days), name)
    return found


def easter(year: int) -> date:
    """Return Easter Sunday by Gauss's algorithm for the Gregorian calendar, as Meeus wrote it."""
    century, of_century = divmod(year, 100)
    leap_centuries, rest = divmod(century, 4)
    moon = (8 * century + 13) // 25
    golden = year % 19
    epact = (19 * golden + century - leap_centuries - moon + 15) % 30
    week = (32 + 2 * rest + 2 * (of_century // 4) - epact - of_century % 4) % 7
    late = (golden + 11 * epact + 22 * week) // 451
    month, day = divmod(epact + week - 7 * late + 114, 31)
    return date(year, month, day + 1)


def is_business_day(day: date) -> bool:
    return day.weekday() < SATURDAY and day not in holidays_of(day.year)


def next_business_day(day: date) -> date:
    """Return the day itself, or the first business day after it."""
    while not is_business_day(day):
        day += timedelta(1)
    return day


def seed_rows() -> Iterator[tuple[date, str, date]]:
    """Each holiday, its name, and the first business day after it."""
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        for day, name in sorted(holidays_of(year).items()):
            yield day, name, next_business_day(day)


def seed_text() -> str:
    """Return the seed as CSV."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["holiday", "holiday_name", "next_business_day"])
    lines.writerows(seed_rows())
    return text.getvalue()
