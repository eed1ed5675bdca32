"""Where things stand: the sources, and the last run step by step, as small tables."""

import pandas as pd

from credix.clients.gcs.lake import Lake
from credix.core.results import Manifest
from credix.core.settings import Settings
from credix.pipeline.archive import read_manifests
from credix.pipeline.history.status import source_statuses

SOURCES = ["source", "table", "rows in bronze", "complete up to (UTC)", "last run", "status"]
STEPS = ["notebook", "source", "result", "rows", "seconds"]
NO_RUN = "No run has ended yet. This makes one: ./run_pipeline.py run full"


def source_table(settings: Settings) -> pd.DataFrame:
    """Return one line per source: how much bronze holds, up to when, and how its last run ended."""
    lines = []
    for found in source_statuses(settings):
        run, watermark = found.last_run, found.watermark
        facts = (
            *(found.source, found.table, found.rows_in_bronze),
            ((watermark and watermark.snapshot_at) or "")[:19],
            *((run.run_id, run.status) if run else (None, "never run")),
        )
        lines.append(dict(zip(SOURCES, facts, strict=True)))
    return pd.DataFrame(lines, columns=SOURCES)


def step_table(manifest: Manifest | None) -> pd.DataFrame:
    """Return one line per notebook of a run, in the order in which they ran; none without a run."""
    steps = manifest.steps if manifest else {}
    lines = [
        {
            "notebook": step,
            "source": source,
            "result": result.status,
            "rows": getattr(result, "rows", None),
            "seconds": result.seconds,
        }
        for source, results in steps.items()
        for step, result in results.items()
    ]
    return pd.DataFrame(lines, columns=STEPS)


def describe_run(manifest: Manifest | None) -> str:
    if manifest is None:
        return NO_RUN
    return (
        f"Run {manifest.run_id} of job {manifest.job}: {manifest.status}, "
        f"{manifest.seconds:.1f} s, for business day {manifest.business_date}"
    )


def find_last(lake: Lake) -> Manifest | None:
    """Return the manifest of the newest archived run."""
    return next(iter(read_manifests(lake, 1)), None)
