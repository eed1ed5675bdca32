"""02: what goes to landing, what is swept from it, and what stops nobody."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from credix.capture.parts import Part
from credix.capture.upload import BackgroundUploader
from credix.clients.gcs.lake import Lake
from credix.core.errors import DataError, StepError, TransientError
from credix.core.paths import paths_of
from credix.core.results import ExtractResult
from credix.core.settings import Settings
from credix.state.run import Run
from credix.warehouse import landing as step
from credix.warehouse.cycle import extract, land
from tests.runs_by_hand import begin, commit
from tests.tables import Table


@pytest.fixture
def extracted(settings: Settings, tables: dict[str, Table]) -> Run:
    """A run that has read two installments."""
    tables["installments"].insert(asset_id="a1")
    tables["installments"].insert(asset_id="a2")
    run = begin(settings, "installments")
    extract(run)
    return run


def test_a_fault_of_the_product_in_a_part_shipped_ahead_ends_the_read(
    extracted: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    [described] = extracted.read_result(ExtractResult).parts
    part = Part(Path(described.path), "stem", 2, 1, "0" * 64, described.crc32c)
    now = datetime.now(UTC)

    def fail(*_: Any) -> str:
        raise errors.pop()

    monkeypatch.setattr("credix.capture.upload.upload_part", fail)
    errors: list[Exception] = [TransientError("left to 02")]
    with BackgroundUploader(extracted, now) as shipper:
        shipper.take(part)
    errors = [ValueError("of the product")]
    with (
        pytest.raises(ValueError, match="of the product"),
        BackgroundUploader(extracted, now) as shipper,
    ):
        shipper.take(part)


def places(run: Run) -> dict[str, list[str]]:
    """File names by where they lie: landing, archive, failed."""
    paths, settings = paths_of(run.settings), run.settings
    folders = {
        "landing": (settings.lake_bucket, paths.landing),
        "archive": (settings.archive_bucket, paths.archived("")),
        "failed": (settings.lake_bucket, paths.failed("")),
    }
    return {
        name: sorted(blob.name.rpartition("/")[2] for blob in run.lake.objects(*folder))
        for name, folder in folders.items()
    }


def stray(lake: Lake, name: str = "stray.parquet", **metadata: str) -> str:
    """A file that somebody put into landing by hand; its path."""
    path = paths_of(lake.settings).landed("2024-01-01", name)
    lake.upload(
        "lake.test", lake.settings.lake_bucket, path, b"PAR1 corrupt", metadata=metadata or None
    )
    return path


def next_run(settings: Settings, table: Table) -> Run:
    """The run after the one that died: it reads the same rows again."""
    table.execute("UPDATE {table} SET payment_method = 'PIX'")
    run = begin(settings, "installments")
    extract(run)
    return run


def name_of(run: Run) -> str:
    return run.read_result(ExtractResult).parts[0].object_name


class TestUpload:
    def test_each_part_lies_in_landing_with_what_is_needed_to_replay_it(
        self, extracted: Run
    ) -> None:
        result = land(extracted)
        assert (result.status, result.rows, result.messages) == ("done", 2, ())
        (path,) = result.files
        part = extracted.read_result(ExtractResult).parts[0]
        day = extracted.read_result(ExtractResult).snapshot_at.date().isoformat()
        assert path == paths_of(extracted.settings).landed(day, part.object_name)
        (blob,) = extracted.lake.objects(extracted.settings.lake_bucket, path)
        assert blob.crc32c == part.crc32c
        assert blob.metadata == {
            "source": "installments",
            "run_id": extracted.run_id,
            "seq": str(extracted.attempt),
            "rows": "2",
            "crc32c": part.crc32c,
            "fingerprint": extracted.source.fingerprint,
            "snapshot_at": extracted.read_result(ExtractResult).snapshot_at.isoformat(),
        }

    def test_landing_again_changes_nothing(self, extracted: Run) -> None:
        first = land(extracted)
        before = places(extracted)
        assert land(extracted).files == first.files
        assert (
            places(extracted)
            == before
            == {
                "landing": [name_of(extracted)],
                "archive": [],
                "failed": [],
            }
        )

    def test_an_empty_delta_lands_nothing(
        self, settings: Settings, tables: dict[str, Table]
    ) -> None:
        assert tables
        run = begin(settings, "installments")
        extract(run)
        assert (land(run).rows, land(run).files) == (0, ())


class TestContract:
    def test_a_part_that_keeps_it_is_listed(self, extracted: Run) -> None:
        (line,) = step.check_parts(extracted).to_dict("records")
        assert (line["rows"], line["contract"]) == (2, "kept")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda table: table.drop_columns(["due_date"]), "its columns are"),
            (lambda table: table.append_column("extra", pa.array([1, 2])), "its columns are"),
            (lambda table: table.select(table.column_names[::-1]), "its columns are"),
            (
                lambda table: table.set_column(
                    table.column_names.index("due_date"), "due_date", pa.array(["x", "y"])
                ),
                "column due_date is string, not date32",
            ),
            (lambda table: table.slice(0, 1), "it has 1 rows, 2 were written"),
            (
                lambda table: table.set_column(0, "asset_id", pa.array(["a1", None])),
                "column asset_id has NULL values",
            ),
        ],
        ids=["a lost column", "another column", "another order", "a type", "a lost row", "a NULL"],
    )
    def test_a_part_that_breaks_it_goes_nowhere(
        self, extracted: Run, change: Any, words: str
    ) -> None:
        path = Path(extracted.read_result(ExtractResult).parts[0].path)
        pq.write_table(change(pq.read_table(path)), path)
        with pytest.raises(DataError, match=f"{path.name} violates the contract.*{words}"):
            land(extracted)
        assert places(extracted)["landing"] == []

    def test_a_part_that_is_cut_short_is_refused(self, extracted: Run) -> None:
        path = Path(extracted.read_result(ExtractResult).parts[0].path)
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(DataError, match=r"not a whole Parquet file.*run 01_extract again"):
            land(extracted)

    def test_a_part_that_is_gone_is_refused(self, extracted: Run) -> None:
        Path(extracted.read_result(ExtractResult).parts[0].path).unlink()
        with pytest.raises(DataError, match="run 01_extract again"):
            land(extracted)

    def test_a_run_that_has_not_extracted_is_told_so(self, settings: Settings) -> None:
        with pytest.raises(StepError, match="no result of 01_extract"):
            land(begin(settings, "installments"))


class TestSweep:
    def test_a_stray_file_goes_to_failed_with_a_warning_and_stops_nobody(
        self, extracted: Run, lake: Lake
    ) -> None:
        path = stray(lake)
        result = land(extracted)
        assert result.status == "done"
        (message,) = result.messages
        assert message.startswith(f"WARNING: {path}: no run of this pipeline")
        (name,) = places(extracted)["failed"]
        assert re.fullmatch(r"stray\.parquet\.\d+", name)
        assert places(extracted)["landing"] == [name_of(extracted)]
        (blob,) = lake.objects(lake.settings.lake_bucket, paths_of(lake.settings).failed(path))
        assert "no run of this pipeline" in blob.metadata["reason"]

    @pytest.mark.parametrize(
        "metadata", [{"seq": "many", "source": "installments"}, {"seq": "1"}, {"source": "x"}]
    )
    def test_a_file_with_half_the_metadata_is_a_stray(
        self, extracted: Run, lake: Lake, metadata: dict[str, str]
    ) -> None:
        stray(lake, **metadata)
        assert len(land(extracted).messages) == 1

    def test_a_dead_attempts_file_goes_to_failed(
        self, settings: Settings, tables: dict[str, Table], extracted: Run
    ) -> None:
        land(extracted)
        run = next_run(settings, tables["installments"])
        (message,) = land(run).messages
        assert "attempt 1 died before loading it; attempt 2 read its rows again" in message
        assert places(run) == {
            "landing": [name_of(run)],
            "archive": [],
            "failed": [name_of(extracted)],
        }

    def test_a_merged_attempts_file_goes_to_the_archive(
        self, settings: Settings, tables: dict[str, Table], extracted: Run
    ) -> None:
        land(extracted)
        commit(extracted, extracted.read_result(ExtractResult))
        run = next_run(settings, tables["installments"])
        land(run)
        assert places(run) == {
            "landing": [name_of(run)],
            "archive": [name_of(extracted)],
            "failed": [],
        }

    def test_files_of_another_source_and_of_newer_attempts_are_left_alone(
        self, extracted: Run, lake: Lake
    ) -> None:
        stray(lake, "theirs.parquet", source="cnpj_ws", seq="0")
        stray(lake, "newer.parquet", source="installments", seq=str(extracted.attempt + 1))
        assert land(extracted).messages == ()
        assert places(extracted)["landing"] == sorted(
            [name_of(extracted), "theirs.parquet", "newer.parquet"]
        )

    def test_sweeping_is_finished_when_it_died_between_copy_and_delete(
        self, settings: Settings, tables: dict[str, Table], extracted: Run
    ) -> None:
        (path,) = land(extracted).files
        content = extracted.lake.read_bytes(settings.lake_bucket, path)
        failed = paths_of(settings).failed(path)
        extracted.lake.upload("lake.test", settings.lake_bucket, failed, content)
        run = next_run(settings, tables["installments"])
        land(run)
        assert places(run)["failed"] == [name_of(extracted)]
        assert places(run)["landing"] == [name_of(run)]

    def test_a_stray_that_comes_again_with_another_content_stops_nobody(
        self, extracted: Run, lake: Lake
    ) -> None:
        path = stray(lake)
        land(extracted)
        lake.upload("lake.test", lake.settings.lake_bucket, path, b"another corrupt file")
        result = land(extracted)
        assert result.status == "done"
        assert places(extracted)["landing"] == [name_of(extracted)]
        assert len(places(extracted)["failed"]) == 2
