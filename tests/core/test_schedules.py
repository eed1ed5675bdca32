"""How old a source may be, by the times at which it is carried."""

from dataclasses import replace

import pytest

from credix.core.contracts import load_source
from credix.core.errors import SettingsError
from credix.core.jobs import all_jobs
from credix.core.schedules import default_lines, late_bound
from credix.core.settings import Settings

MINUTE, HOUR = 60, 3600


def late_seconds(source: str, **values: object) -> float:
    settings = Settings.parse(
        {
            "POSTGRES_HOST": "h",
            "POSTGRES_DB": "d",
            "POSTGRES_USER": "u",
            "POSTGRES_PASSWORD": "p",
            "GCP_PROJECT": "project",
            **{name: str(value) for name, value in values.items()},
        }
    )
    return late_bound(load_source(source), settings).seconds


def test_the_schedule_names_jobs_that_there_are() -> None:
    assert set(default_lines()) <= set(all_jobs())


def test_a_source_that_is_carried_once_a_night_is_in_time_at_noon() -> None:
    """Cnpj at 03:15 and full at 05:00: at the latest, 22 h 15 min after the one before."""
    assert late_seconds("cnpj_ws") == 22.25 * HOUR + 60 * MINUTE
    assert late_seconds("cnpj_ws") > 7 * HOUR


def test_a_source_that_is_carried_every_five_minutes_is_late_after_an_hour_and_these() -> None:
    assert late_seconds("installments") == 65 * MINUTE
    assert late_seconds("installments", CREDIX_LATE_MINUTES=10) == 15 * MINUTE


@pytest.mark.parametrize(
    ("schedule", "minutes"),
    [
        ("full=0 5 * * *", 24 * 60 + 60),
        ("full=0 5 * * mon-fri; installments=0 * * * *", 60 + 60),
        ("monitoring=0 12 * * *", 60),
        ("cnpj=0 1 * * *", 60),
        (";", 60),
    ],
)
def test_the_schedule_in_force_is_the_one_that_counts(schedule: str, minutes: int) -> None:
    assert late_seconds("installments", CREDIX_SCHEDULE=schedule) == minutes * MINUTE


def test_a_source_may_have_a_bound_of_its_own(settings: Settings) -> None:
    source = replace(load_source("cnpj_ws"), late_minutes=90)
    bound = late_bound(source, settings)
    assert bound.seconds == 90 * MINUTE
    assert "late_minutes of sources.yml is 90" in bound.reason


def test_a_schedule_that_is_none_is_refused_by_the_name_of_its_setting() -> None:
    with pytest.raises(SettingsError, match="CREDIX_SCHEDULE: the schedule of full is '0 5'"):
        late_seconds("installments", CREDIX_SCHEDULE="full=0 5")
