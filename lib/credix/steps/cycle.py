"""One source from PostgreSQL to BigQuery's temp layer: what 01 to 03 do, in one call each."""

from typing import Any

from credix.steps import extract as extracting
from credix.steps import land as landing
from credix.steps import load as loading
from credix.steps.context import Run


def extract(run: Run) -> dict[str, Any]:
    """What 01_extract does; its step result."""
    with extracting.connect(run) as connection:
        snapshot = extracting.take_snapshot(run, connection)
        extracting.check_source(run, connection)
        plan = extracting.plan_delta(run, connection, snapshot)
        delta = extracting.write_delta(run, connection, snapshot, plan)
        return extracting.finish(run, snapshot, plan, delta, "")


def land(run: Run) -> dict[str, Any]:
    """What 02_land does; its step result."""
    landing.check_parts(run)
    swept = landing.sweep_landing(run)
    landed = landing.upload_parts(run)
    return landing.finish(run, landed, swept, "")


def load(run: Run) -> dict[str, Any]:
    """What 03_load does; its step result."""
    columns = loading.read_reference(run)
    loaded = loading.load_hashed(run, columns)
    loading.check_loaded(run, loaded)
    loading.load_stable(run, columns)
    loading.archive_files(run)
    return loading.finish(run, loaded, "")
