"""One source from PostgreSQL to BigQuery's temp layer: what 01 to 03 do, in one call each."""

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from credix.capture.extraction import open_extraction
from credix.capture.slices import after_slices
from credix.core.errors import StepError
from credix.core.results import ExtractResult, LandResult, LoadResult
from credix.state.run import Run, describe, write_text, write_value
from credix.warehouse import landing
from credix.warehouse import temp_layer as loading


def extract(run: Run) -> ExtractResult:
    """Do what 01_extract does and return its step result."""
    with closing(open_extraction(run)) as extraction:
        extraction.check()
        extraction.plan()
        extraction.write()
        return extraction.write_result("")


def land(run: Run) -> LandResult:
    """Do what 02_land does and return its step result."""
    landing.check_parts(run)
    swept = landing.sweep_landing(run)
    landed = landing.upload_parts(run)
    return landing.finish(run, landed, swept, "")


def load(run: Run) -> LoadResult:
    """Do what 03_load does and return its step result."""
    columns = loading.read_reference(run)
    loaded = loading.load_hashed(run, columns)
    loading.check_loaded(run, loaded)
    loading.load_stable(run, columns)
    loading.archive_files(run)
    return loading.finish(run, loaded, "")


def open_following(run: Run, attempt: int, folder: Path) -> Run:
    """Return the run after a slice that bronze now holds: of the next slice or of the delta.

    Its parts and results have a folder of their own below the run's; the slice's parts are deleted.
    """
    merged = run.read_result(ExtractResult).slice
    if merged is None:
        raise StepError(f"Run {run.run_id} has read no slice: there is nothing to continue.")
    shutil.rmtree(run.source_folder / "parts", ignore_errors=True)
    following = replace(run, attempt=attempt)
    if merged.is_last:
        following = replace(
            following,
            watermark=run.states.read_source(run.source.name).watermark,
            orders=after_slices(run.orders),
        )
    return next_attempt(following, attempt, folder / "slices" / f"{merged.number + 1:04d}")


def next_attempt(run: Run, newest_seq: int, folder: Path) -> Run:
    """Return the run under a new fencing token above `newest_seq`, with this folder.

    Raises FenceError when a newer run has begun.
    """
    state = run.states.change_source(
        "state.raise_fence_again",
        run.source.name,
        lambda state: state.raise_fence_again(run.attempt, newest_seq),
    )
    again = replace(run, attempt=state.attempt, folder=folder)
    write_text(again.source_folder / "state.json", state.to_json())
    write_value(again.source_folder / "run.json", describe(again))
    return again
