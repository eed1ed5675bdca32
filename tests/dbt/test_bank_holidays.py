"""The seed of bank holidays: what the calendar of the banks' federation lists."""

from datetime import date, timedelta

import pytest
from docs.generator.bank_holidays import (
    FIRST_YEAR,
    LAST_YEAR,
    holidays_of,
    is_business_day,
    next_business_day,
    seed_rows,
)

# As ANBIMA publishes them.
YEAR_2023 = "01-01 02-20 02-21 04-07 04-21 05-01 06-08 09-07 10-12 11-02 11-15 12-25"
YEAR_2026 = "01-01 02-16 02-17 04-03 04-21 05-01 06-04 09-07 10-12 11-02 11-15 11-20 12-25"
# Carnival Tuesday, Good Friday and Corpus Christi of years far apart.
MOVED = {
    2000: ("03-07", "04-21", "06-22"),
    2008: ("02-05", "03-21", "05-22"),
    2011: ("03-08", "04-22", "06-23"),
    2024: ("02-13", "03-29", "05-30"),
    2025: ("03-04", "04-18", "06-19"),
    2038: ("03-09", "04-23", "06-24"),
    2078: ("02-15", "04-01", "06-02"),
}


@pytest.mark.parametrize(("year", "days"), [(2023, YEAR_2023), (2026, YEAR_2026)])
def test_a_year_has_the_published_holidays(year: int, days: str) -> None:
    assert [f"{day:%m-%d}" for day in sorted(holidays_of(year))] == days.split()


@pytest.mark.parametrize("year", MOVED)
def test_movable_feasts_follow_easter(year: int) -> None:
    days = {f"{day:%m-%d}": name for day, name in holidays_of(year).items()}

    carnival, friday, corpus_christi = MOVED[year]
    # In 2000 Good Friday is the day of Tiradentes: one holiday.
    friday_name = "Tiradentes" if year == 2000 else "Paixão de Cristo"
    assert days[carnival] == "Carnaval (terça-feira)"
    assert days[friday] == friday_name
    assert days[corpus_christi] == "Corpus Christi"


def test_twentieth_of_november_is_one_since_2024() -> None:
    assert date(2023, 11, 20) not in holidays_of(2023)
    assert date(2024, 11, 20) in holidays_of(2024)


def test_next_business_day_is_past_weekends_and_holidays_in_a_row() -> None:
    # Good Friday, the weekend, and Tiradentes on the Monday after.
    assert next_business_day(date(2025, 4, 18)) == date(2025, 4, 22)
    assert next_business_day(date(2024, 2, 10)) == date(2024, 2, 14)
    assert next_business_day(date(2024, 2, 29)) == date(2024, 2, 29)


def test_the_seed_and_a_step_over_the_weekend_find_the_next_business_day_of_every_day() -> None:
    """What the dbt project does: move past a weekend, then look into the seed."""
    moved = {day: then for day, _, then in seed_rows()}
    day, wrong = date(FIRST_YEAR, 1, 1), []
    while day <= date(LAST_YEAR, 12, 31):
        weekday = day + timedelta({5: 2, 6: 1}.get(day.weekday(), 0))
        if moved.get(weekday, weekday) != next_business_day(day):
            wrong.append(day)
        day += timedelta(1)
    assert wrong == []


def test_a_third_of_the_days_are_no_business_days() -> None:
    """342 of the 1,096 days of 2024 to 2026."""
    days = [date(2024, 1, 1) + timedelta(number) for number in range(1_096)]

    assert sum(not is_business_day(day) for day in days) == 342
