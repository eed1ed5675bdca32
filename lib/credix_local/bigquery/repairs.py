"""All repairs of the emulator, in one place."""

from pathlib import Path

from credix_local.bigquery import (
    held_jobs,
    load_jobs,
    repairs_analysis,
    repairs_catalog,
    repairs_definitions,
    repairs_expressions,
    repairs_jobs,
    repairs_metadata,
    repairs_reads,
    repairs_statements,
    repairs_storage,
    repairs_transactions,
)


def apply(data: Path, *, holds_jobs: bool = False) -> None:
    """Repair the emulator in this process, before it starts; `data` is its folder.

    With `holds_jobs` tests may let a job go on while others run.
    """
    repairs_storage.apply(data)
    repairs_expressions.apply()
    repairs_statements.apply()
    repairs_transactions.apply()
    repairs_catalog.apply()
    repairs_definitions.apply()
    repairs_metadata.apply()
    if holds_jobs:
        held_jobs.apply()
    repairs_jobs.apply()
    repairs_reads.apply()
    load_jobs.apply()
    repairs_analysis.apply()
