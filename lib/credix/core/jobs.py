"""The jobs by name, and which notebooks they run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from credix.core.contracts import declarations
from credix.core.errors import SettingsError
from credix.core.schedules import WHOLE, default_lines
from credix.core.settings import PROJECT_DIR

NOTEBOOKS = PROJECT_DIR / "notebooks"

# The steps of a source, and what each does with its rows.
STEPS = {
    "01_extract": "extracted",
    "02_land": "landed",
    "03_load": "loaded",
    "04_transform": "merged",
}
SOURCE_STEPS = tuple(STEPS)
GOLD_STEP = "04_transform"
REPORT_STEP = "05_report"
LAYERS = ["bronze", "silver", "gold"]
GOLD_LAYERS = LAYERS[1:]


@dataclass(frozen=True)
class Job:
    """A unit of work; `cron` is when the schedule runs it, if ever, in the business's time zone."""

    name: str
    sources: tuple[str, ...]
    has_report: bool
    cron: str | None = None

    @property
    def notebooks(self) -> tuple[str, ...]:
        steps = SOURCE_STEPS if self.sources else ()
        return steps + ((REPORT_STEP,) if self.has_report else ())

    def following(
        self, step: str, source: str | None, has_rows: bool, has_gold: bool
    ) -> tuple[str, ...]:
        """Return the step after this one, as far as it can be known while this one runs.

        Where rows are loaded 04 as well: dbt needs longer to start than 02 and 03 to end.
        `has_rows` says whether 01 has found a change so far.
        """
        report = (REPORT_STEP,) if self.has_report and step != REPORT_STEP else ()
        if source is None:
            return report
        next_source = () if source == self.sources[-1] else SOURCE_STEPS[:1]
        if step == SOURCE_STEPS[0] and not has_rows:
            return next_source
        if step != SOURCE_STEPS[-1]:
            next_step = SOURCE_STEPS[SOURCE_STEPS.index(step) + 1]
            return tuple(dict.fromkeys((next_step, SOURCE_STEPS[-1])))
        return next_source or ((GOLD_STEP,) if has_gold and len(self.sources) > 1 else report)


@cache
def all_jobs() -> dict[str, Job]:
    """Return the jobs by name: one that loads each source alone, one that loads all, the report.

    Raises SettingsError where a contract is not well formed. Not a constant: importing this module
    must not fail for what is in a contract.
    """
    cron = default_lines()
    alone = [
        Job(declared.job, (source,), has_report=False, cron=cron.get(declared.job))
        for source, declared in declarations().items()
    ]
    shared = [
        Job(WHOLE, tuple(declarations()), has_report=True, cron=cron.get(WHOLE)),
        Job("monitoring", (), has_report=True, cron=cron.get("monitoring")),
    ]
    return {job.name: job for job in (*alone, *shared)}


def find_job(name: str) -> Job:
    """Raise SettingsError naming the jobs there are."""
    jobs = all_jobs()
    if name not in jobs:
        raise SettingsError(f"There is no job '{name}': choose one of {', '.join(jobs)}.")
    return jobs[name]


def describe_difference(rows: Mapping[str, int]) -> str:
    """Name the rows of each step that has ended, where they differ; "" where they are equal."""
    counted = {word: rows[step] for step, word in STEPS.items() if step in rows}
    if len(set(counted.values())) < 2:
        return ""
    return ", ".join(f"{word} {count:,}" for word, count in counted.items())


def parse_layers(layers: object) -> list[str]:
    """`["bronze"]` or all of them; raises SettingsError on anything else."""
    for known in (LAYERS[:1], LAYERS):
        if layers == known:
            return list(known)
    raise SettingsError(
        f"layers is {layers}: give {json.dumps(LAYERS[:1])} to stop before silver and gold, "
        f"or {json.dumps(LAYERS)}."
    )
