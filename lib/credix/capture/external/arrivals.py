"""01, when the files are there already: what outside writers put into landing becomes the delta.

Each file is checked on its own (`read_received`), and one that cannot be used goes to `failed/`
with the reason. `receive_delta` makes parts of the others.
"""

import shutil
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import pandas as pd

from credix.capture.external.changes import refuse_ambiguous, write_changes
from credix.capture.external.layout import written_at
from credix.capture.parts import describe_part as describe_file
from credix.clients.gcs.objects import download
from credix.clients.gcs.stored import StoredObject
from credix.core.disk import disk_named
from credix.core.errors import DataError
from credix.core.paths import paths_of
from credix.core.progress import meter
from credix.state.fencing import fenced
from credix.state.run import Run

SUFFIX = ".parquet"


@dataclass(frozen=True)
class ExternalFile:
    """One file that waits below `landing/external/<source>/`; `name` is its path below that.

    `identity` and `crc32c` are those of the listing: fetching it distinguishes the object from a
    newer one.
    """

    name: str
    stored: StoredObject
    identity: str
    crc32c: str

    @property
    def written_at(self) -> datetime:
        return written_at(self.stored.created_at, self.stored.metadata)


@dataclass(frozen=True)
class Arrival:
    """What became of one file: taken; refused or left for the next run, for a reason."""

    file: str
    size_bytes: int
    rows: int = 0
    fate: str = "taken"
    reason: str = ""
    identity: str = ""
    archived_as: str = ""


@dataclass
class Arrivals:
    """The files of this run. The changes in those that were taken lie on disk, a file for each.

    `superseded_rows` were committed before the last snapshot of an extract, which saw them.
    """

    folder: Path
    lines: list[Arrival] = field(default_factory=list)
    changes: list[Path] = field(default_factory=list)
    superseded_rows: int = 0

    @property
    def taken(self) -> list[Arrival]:
        return [line for line in self.lines if line.fate == "taken"]

    def messages_of(self, fate: str) -> list[str]:
        """Return a sentence for each file of this fate."""
        lines = [line for line in self.lines if line.fate == fate]
        return [f"{line.file} was {fate}: {line.reason.rstrip('.')}." for line in lines]

    def table(self) -> pd.DataFrame:
        columns = ["file", "size_bytes", "rows", "fate", "reason"]
        return pd.DataFrame([asdict(line) for line in self.lines], columns=columns)


def find_files(run: Run) -> list[ExternalFile]:
    """Return the files that wait, by name.

    One that bronze holds already, since a run died after its commit, goes to the archive first.
    """
    folder = paths_of(run.settings).external(run.source.name)
    received = run.states.read_source(run.source.name).received
    found = []
    for stored in run.lake.objects(run.settings.lake_bucket, folder):
        identity = f"{stored.name}#{stored.generation}"
        file = ExternalFile(stored.name.removeprefix(folder), stored, identity, stored.crc32c)
        if file.identity in received:
            archive_file(run, stored, received[file.identity])
        elif not stored.name.endswith("/"):
            found.append(file)
    return sorted(found, key=lambda file: file.name)


def files_as_table(files: list[ExternalFile]) -> pd.DataFrame:
    lines = [(file.name, file.stored.size, file.written_at.isoformat()) for file in files]
    return pd.DataFrame(lines, columns=["file", "bytes", "written at"])


@fenced
def check_files(run: Run, files: list[ExternalFile]) -> Arrivals:
    """Fetch each file and check it; what cannot be used goes to `failed/` and stops no other.

    No more is fetched than CREDIX_SLICE_BYTES; a file that exceeds what is left of it and all
    after it wait for the next run, since among changes of one instant the later file wins.
    """
    arrivals = Arrivals(run.source_folder / "parts" / "received")
    shutil.rmtree(arrivals.folder, ignore_errors=True)
    arrivals.folder.mkdir(parents=True)
    known: dict[str, str] = {}
    fetched, is_over, bound = 0, False, run.settings.slice_bytes
    with disk_named(arrivals.folder), meter(f"Fetching {run.source.name}") as progress:
        for file in files:
            is_over = is_over or fetched + file.stored.size > bound >= file.stored.size
            if is_over:
                reason = "CREDIX_SLICE_BYTES is reached: the next run takes it"
                arrivals.lines.append(
                    Arrival(file.name, file.stored.size, fate="left", reason=reason)
                )
                continue
            try:
                line = take_file(run, file, arrivals, known)
                fetched += line.size_bytes
            except DataError as error:
                line = Arrival(file.name, file.stored.size, fate="refused", reason=str(error))
                refuse_file(run, file, line.reason)
            arrivals.lines.append(line)
            progress.add(line.rows, line.size_bytes)
    return arrivals


def take_file(run: Run, file: ExternalFile, arrivals: Arrivals, known: dict[str, str]) -> Arrival:
    """Fetch one file and write its changes beside it; raises DataError when it cannot be used."""
    if not file.name.endswith(SUFFIX):
        raise DataError("its name does not end in .parquet")
    if file.stored.size > run.settings.slice_bytes:
        raise DataError(
            f"it has {file.stored.size} bytes, more than CREDIX_SLICE_BYTES "
            f"({run.settings.slice_bytes}) lets onto this machine: write smaller files, or raise it"
        )
    number = len(arrivals.changes)
    fetched = arrivals.folder / f"{number:06d}.fetched"
    is_listed = download(run.lake, file.stored, fetched)
    part = describe_file(fetched, file.name, 0) if is_listed else None
    if part is None or part.crc32c != file.crc32c:
        reason = "it was replaced or deleted while it was read: the next run takes what is there"
        return Arrival(file.name, file.stored.size, fate="left", reason=reason)
    path = paths_of(run.settings).received(run.source.name, part.sha256, file.name)
    refuse_twin(run, part.sha256, known)
    changes = arrivals.folder / f"{number:06d}.parquet"
    try:
        rows, superseded = write_changes(run, file.stored, fetched, changes)
        refuse_ambiguous(run, changes)
    except DataError:
        changes.unlink(missing_ok=True)
        raise
    finally:
        fetched.unlink()
    known[part.sha256] = file.name
    arrivals.changes.append(changes)
    arrivals.superseded_rows += superseded
    return Arrival(file.name, part.size_bytes, rows, identity=file.identity, archived_as=path)


def refuse_twin(run: Run, sha256: str, known: dict[str, str]) -> None:
    """Raise DataError where a file of the same content was taken before, under whatever name.

    A writer that repeats a file would set back what was written in between.
    """
    twin = known.get(sha256)
    if twin is None:
        folder = paths_of(run.settings).received(run.source.name, sha256, "")
        merged = run.lake.objects(run.settings.archive_bucket, folder)
        twin = merged[0].name if merged else None
    if twin:
        raise DataError(f"it has the same content as {twin}, which was taken already")


def refuse_file(run: Run, file: ExternalFile, reason: str) -> None:
    """Move a file to `failed/`, under its generation: another may come under the same name."""
    path = f"{paths_of(run.settings).failed(file.stored.name)}.{file.stored.generation}"
    run.lake.move("lake.refuse", file.stored, run.settings.lake_bucket, path, reason[:1000])


def archive_file(run: Run, stored: StoredObject, path: str) -> None:
    run.lake.move("lake.archive_external", stored, run.settings.archive_bucket, path)


def archive_received(run: Run, received: dict[str, str]) -> None:
    """Move the files that bronze holds now out of landing; those moved already are left alone."""
    folder = paths_of(run.settings).external(run.source.name)
    for stored in run.lake.objects(run.settings.lake_bucket, folder):
        path = received.get(f"{stored.name}#{stored.generation}")
        if path:
            archive_file(run, stored, path)
