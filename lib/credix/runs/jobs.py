"""The jobs by name: which sources they carry and whether they end with the report."""

from dataclasses import dataclass

from credix.errors import SettingsError

SOURCE_STEPS = ("01_extract", "02_land", "03_load", "04_transform")
GOLD_STEP = "04_transform"
REPORT_STEP = "05_report"


@dataclass(frozen=True)
class Job:
    """A unit of the schedule."""

    name: str
    sources: tuple[str, ...]
    has_report: bool

    @property
    def notebooks(self) -> tuple[str, ...]:
        steps = SOURCE_STEPS if self.sources else ()
        return steps + ((REPORT_STEP,) if self.has_report else ())


JOBS = {
    job.name: job
    for job in (
        Job("cnpj", ("cnpj_ws",), has_report=False),
        Job("installments", ("installments",), has_report=False),
        Job("full", ("cnpj_ws", "installments"), has_report=True),
        Job("monitoring", (), has_report=True),
    )
}


def find_job(name: str) -> Job:
    """Raises SettingsError naming the jobs there are."""
    if name not in JOBS:
        raise SettingsError(f"There is no job '{name}': choose one of {', '.join(JOBS)}.")
    return JOBS[name]
