"""Row versions that a run meets again: kept beside the state, for the next one to drop them."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from credix.capture.parts import VERSION_TYPE
from credix.core.disk import disk_named
from credix.core.watermarks import Slices
from credix.state.run import Run
from credix.state.states import SourceState

NOTHING = np.empty(0, VERSION_TYPE)


def known_versions(run: Run, state: SourceState) -> np.ndarray:
    """Return the row versions that this run reads again and that bronze is certain to hold."""
    if not state.rereads or not state.knows_bronze:
        return NOTHING
    return read_versions(run.lake.read_bytes(run.settings.lake_bucket, state.rereads))


def add_versions(run: Run, slices: Slices | None, own: np.ndarray) -> np.ndarray:
    """Return the versions of a slice, and of earlier slices where bronze is certain to hold them.

    Of each key the newest: an older one is not what bronze holds. A failed attempt in between may
    have merged newer ones.
    """
    if slices is None or not slices.rereads or run.attempt != slices.attempt + 1:
        return own
    before = read_versions(run.lake.read_bytes(run.settings.lake_bucket, slices.rereads))
    return np.concatenate([before[~np.isin(before["key_hash"], own["key_hash"])], own])


def write_versions(path: Path, versions: np.ndarray) -> None:
    columns = {name: pa.array(versions[name]) for name in VERSION_TYPE.names or ()}
    with disk_named(path.parent):
        pq.write_table(pa.table(columns), path)


def read_versions(content: bytes) -> np.ndarray:
    table = pq.read_table(BytesIO(content))
    versions = np.empty(table.num_rows, VERSION_TYPE)
    for name in VERSION_TYPE.names or ():
        versions[name] = table.column(name).to_numpy()
    return versions
