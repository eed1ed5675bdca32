"""The Parquet files of a source, landed and archived, with the run that wrote each."""

from dataclasses import dataclass

import pandas as pd
import pyarrow.dataset as ds

from credix.clients.gcs.lake import Lake
from credix.clients.gcs.stored import StoredObject
from credix.core.contracts import Source
from credix.core.paths import paths_of

SUFFIX = ".parquet"


@dataclass(frozen=True)
class SourceFile:
    """One file: where it is, what its metadata say, and whether bronze was proven with it."""

    stored: StoredObject
    folder: str
    run_id: str
    seq: int
    rows: int
    is_merged: bool

    @property
    def address(self) -> str:
        return self.stored.address

    @property
    def stem(self) -> str:
        """What the rows call it: the name without hash and suffix."""
        return self.stored.name.rpartition("/")[2].removesuffix(SUFFIX).rpartition("-")[0]


def list_files(lake: Lake, source: Source) -> list[SourceFile]:
    """The files that bronze is made of, and those on their way, by attempt; refused ones not.

    Landing is listed first: what is moved meanwhile is then found in the archive, and counted once.
    """
    paths, settings = paths_of(lake.settings), lake.settings
    merged = merged_attempts(lake, source)
    found: dict[str, SourceFile] = {}
    for folder, bucket, prefix in (
        ("landing", settings.lake_bucket, paths.landing),
        ("archive", settings.archive_bucket, paths.archived(paths.landing)),
    ):
        for stored in lake.objects(bucket, prefix):
            facts = stored.metadata
            is_own = facts.get("source") == source.name and "seq" in facts
            if stored.name.endswith(SUFFIX) and is_own:
                seq, name = int(facts["seq"]), stored.name.rpartition("/")[2]
                found[name] = SourceFile(
                    stored, folder, facts["run_id"], seq, int(facts["rows"]), seq in merged
                )
    return sorted(found.values(), key=lambda file: (file.seq, file.stored.name))


def merged_attempts(lake: Lake, source: Source) -> set[int]:
    """Return the attempts whose merge into bronze was proven, by the names of their records."""
    folder = paths_of(lake.settings).merged(source.name, 0).rpartition("/")[0] + "/"
    names = [stored.name for stored in lake.objects(lake.settings.archive_bucket, folder)]
    return {int(name.rpartition("/")[2].removesuffix(".json")) for name in names}


def as_frame(files: list[SourceFile]) -> pd.DataFrame:
    lines = [
        {
            "folder": file.folder,
            "run": file.run_id,
            "_seq": file.seq,
            "rows": file.rows,
            "bytes": file.stored.size,
            "merged": file.is_merged,
            "file": file.address,
        }
        for file in files
    ]
    return pd.DataFrame(lines, columns=["folder", "run", "_seq", "rows", "bytes", "merged", "file"])


def as_dataset(lake: Lake, files: list[SourceFile], source: Source) -> ds.Dataset:
    """Return the rows of the files under the source's contract of today."""
    from credix.clients.gcs.objects import open_dataset

    return open_dataset(lake, [file.stored for file in files], source.landing_schema)
