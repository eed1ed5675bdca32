"""Row versions that a run meets again: kept beside the state, for the next one to drop them."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from credix.parts import VERSION_TYPE, full_disk_named
from credix.state import SourceState
from credix.steps.context import Run

NOTHING = np.empty(0, VERSION_TYPE)


def known_versions(run: Run, state: SourceState) -> np.ndarray:
    """The row versions that this run reads again and that bronze is certain to hold."""
    if not state.rereads or not state.knows_bronze:
        return NOTHING
    return read_versions(run.lake.read_bytes(run.settings.lake_bucket, state.rereads))


def write_versions(path: Path, versions: np.ndarray) -> None:
    columns = {name: pa.array(versions[name]) for name in VERSION_TYPE.names or ()}
    with full_disk_named(path.parent):
        pq.write_table(pa.table(columns), path)


def read_versions(content: bytes) -> np.ndarray:
    table = pq.read_table(BytesIO(content))
    versions = np.empty(table.num_rows, VERSION_TYPE)
    for name in VERSION_TYPE.names or ():
        versions[name] = table.column(name).to_numpy()
    return versions
