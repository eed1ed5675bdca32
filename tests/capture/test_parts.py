"""Parquet parts: bounded files, bounded memory, contract types or one clear error."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from credix.capture.parts import (
    VERSION_TYPE,
    Part,
    PartWriter,
    convert,
    drop_known,
    gather,
    versions_of,
)
from credix.core.column_types import Column
from credix.core.contracts import load_source
from credix.core.errors import DataError

SOURCE = load_source("installments")
EXTRACTED_AT = datetime(2026, 3, 31, 12, tzinfo=UTC)


def batch(first: int, rows: int, width: int = 10) -> pa.RecordBatch:
    """Rows as the reader streams them, incompressible where they are wide."""
    random = np.random.default_rng(first)
    keys = [f"{first + n}-{random.bytes(width).hex()}" for n in range(rows)]
    columns: dict[str, Any] = {}
    for column in SOURCE.columns:
        columns[column.name] = pa.nulls(rows, column.arrow.type)
    columns["asset_id"] = pa.array(keys)
    columns["_row_hash"] = pa.array(range(first, first + rows), pa.int64())
    columns["_key_hash"] = pa.array(range(first, first + rows), pa.int64())
    return pa.RecordBatch.from_pydict(columns)


def marked(first: int, rows: int, rereads: list[bool]) -> pa.RecordBatch:
    return batch(first, rows).append_column("_is_reread", pa.array(rereads))


def writer(
    folder: Path, part_bytes: int = 1 << 20, row_group_rows: int = 100, attempt: int = 7
) -> PartWriter:
    return PartWriter(
        SOURCE,
        folder,
        attempt=attempt,
        extracted_at=EXTRACTED_AT,
        part_bytes=part_bytes,
        row_group_rows=row_group_rows,
    )


class TestRotation:
    def test_a_part_that_ends_is_never_missing_from_what_is_on_disk(self, tmp_path: Path) -> None:
        parts = writer(tmp_path, part_bytes=50_000)
        seen: list[int] = []

        class Watched(list[Part]):
            def append(self, part: Part) -> None:
                seen.append(parts.written[0])
                super().append(part)

        parts.parts = Watched()
        parts.write(batch(n * 100, 100, width=200) for n in range(10))
        ends = np.cumsum([part.rows for part in parts.parts])
        assert seen == ends.tolist()

    def test_a_part_ends_when_it_is_large_enough(self, tmp_path: Path) -> None:
        batches = (batch(n * 100, 100, width=200) for n in range(10))
        parts = writer(tmp_path, part_bytes=50_000).write(batches)
        assert len(parts) > 2
        assert sum(part.rows for part in parts) == 1_000
        group = parts[-1].size_bytes
        assert all(part.size_bytes < 50_000 + 2 * group for part in parts[:-1])

    def test_no_row_is_lost_or_doubled_between_parts(self, tmp_path: Path) -> None:
        batches = [batch(n * 70, 70, width=200) for n in range(10)]
        parts = writer(tmp_path, part_bytes=30_000).write(iter(batches))
        written = [key for p in parts for key in pq.read_table(p.path)["asset_id"].to_pylist()]
        assert written == [key for b in batches for key in b.column("asset_id").to_pylist()]

    def test_parts_are_numbered_and_named_by_source_time_and_content(self, tmp_path: Path) -> None:
        parts = writer(tmp_path, part_bytes=1).write(batch(n, 100) for n in range(2))
        stems = [part.stem for part in parts]
        assert stems == [f"installments_20260331T120000000000Z-{n:04d}" for n in (1, 2)]
        assert parts[0].object_name == f"{stems[0]}-{parts[0].sha256[:12]}.parquet"

    def test_the_same_rows_make_the_same_object(self, tmp_path: Path) -> None:
        one = writer(tmp_path / "one").write([batch(0, 100)])
        two = writer(tmp_path / "two").write([batch(0, 100)])
        other = writer(tmp_path / "three").write([batch(1, 100)])
        assert one[0].object_name == two[0].object_name != other[0].object_name
        assert one[0].crc32c == two[0].crc32c != other[0].crc32c

    def test_row_groups_hold_about_the_wanted_rows(self, tmp_path: Path) -> None:
        (part,) = writer(tmp_path, row_group_rows=250).write(batch(n * 50, 50) for n in range(11))
        footer = pq.read_metadata(part.path)
        sizes = [footer.row_group(n).num_rows for n in range(footer.num_row_groups)]
        assert sizes == [250, 250, 50]

    def test_nothing_to_write_makes_no_part(self, tmp_path: Path) -> None:
        assert writer(tmp_path).write([]) == []
        assert writer(tmp_path).write([batch(0, 0), batch(0, 0)]) == []
        assert list(tmp_path.iterdir()) == []


class TestMemory:
    def test_batches_are_taken_one_row_group_at_a_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No more rows are ever taken from the stream than written and one group ahead."""
        taken: list[int] = []
        ahead: list[int] = []

        def stream() -> Iterator[pa.RecordBatch]:
            for n in range(40):
                taken.append(n)
                yield batch(n * 50, 50)

        made = writer(tmp_path, part_bytes=1, row_group_rows=100)
        finish = made._write_part

        def watched(first: pa.Table, groups: Iterator[pa.Table]) -> pa.Table | None:
            ahead.append(50 * len(taken) - sum(part.rows for part in made.parts))
            return finish(first, groups)

        monkeypatch.setattr(made, "_write_part", watched)
        assert sum(part.rows for part in made.write(stream())) == 2_000
        assert max(ahead) <= 100

    def test_gathering_waits_for_no_more_than_it_yields(self) -> None:
        endless = (batch(n, 10) for n in iter(int, 1))
        groups = gather(endless, 100)
        assert [len(next(groups)) for _ in range(3)] == [100, 100, 100]


class TestContent:
    def test_every_part_has_the_contracts_schema(self, tmp_path: Path) -> None:
        (part,) = writer(tmp_path).write([batch(0, 10)])
        found = pq.read_schema(part.path)
        assert found.names == SOURCE.landing_schema.names
        assert found.types == SOURCE.landing_schema.types

    def test_every_row_carries_run_time_and_file(self, tmp_path: Path) -> None:
        parts = writer(tmp_path, part_bytes=1, attempt=42).write(batch(n, 100) for n in range(2))
        for part in parts:
            for row in pq.read_table(part.path).to_pylist():
                assert row["_seq"] == 42
                assert row["_extracted_at"] == EXTRACTED_AT
                assert (row["_is_deleted"], row["_deleted_at"]) == (False, None)
                assert row["_source_file"] == part.stem

    def test_the_description_is_that_of_the_file(self, tmp_path: Path) -> None:
        (part,) = writer(tmp_path).write([batch(0, 10)])
        assert part.size_bytes == part.path.stat().st_size
        assert pq.read_metadata(part.path).num_rows == part.rows == 10


class TestRepetition:
    def test_leftovers_of_an_earlier_try_are_removed(self, tmp_path: Path) -> None:
        writer(tmp_path, part_bytes=1).write(batch(n, 100) for n in range(3))
        (tmp_path / "half.parquet.part").write_bytes(b"PAR1")
        parts = writer(tmp_path).write([batch(0, 10)])
        assert list(tmp_path.iterdir()) == [part.path for part in parts]

    def test_a_quiet_try_removes_them_too(self, tmp_path: Path) -> None:
        writer(tmp_path).write([batch(0, 10)])
        writer(tmp_path).write([])
        assert list(tmp_path.iterdir()) == []


class TestRereads:
    def test_known_versions_are_dropped_and_remembered(self) -> None:
        known = versions_of(batch(0, 2))
        rereads: list[np.ndarray] = []
        (kept,) = drop_known([marked(0, 4, [True, True, True, False])], known, rereads)
        assert kept.column("_key_hash").to_pylist() == [2, 3]
        assert rereads[0]["key_hash"].tolist() == [0, 1, 2]
        assert "_is_reread" not in kept.schema.names

    def test_a_known_key_with_another_row_is_kept(self) -> None:
        known = np.array([(0, 99)], VERSION_TYPE)
        (kept,) = drop_known([marked(0, 1, [False])], known, [])
        assert kept.num_rows == 1

    def test_a_row_like_a_known_one_under_another_key_is_kept(self) -> None:
        known = np.array([(99, 0)], VERSION_TYPE)
        (kept,) = drop_known([marked(0, 1, [False])], known, [])
        assert kept.num_rows == 1

    def test_nothing_known_keeps_everything(self) -> None:
        (kept,) = drop_known([marked(0, 3, [False] * 3)], np.empty(0, VERSION_TYPE), [])
        assert kept.num_rows == 3


class TestConversion:
    @pytest.mark.parametrize(
        ("kind", "values"),
        [
            ("NUMERIC", pa.array(["1" * 30])),
            ("NUMERIC", pa.array(["0.0000000001"])),
            ("NUMERIC", pa.array(["NaN"])),
            ("DATE", pa.array([2**31 - 1], pa.int32()).cast(pa.date32())),
            ("DATE", pa.array([-719_163], pa.int32()).cast(pa.date32())),
            ("TIMESTAMP", pa.array([2**63 - 1], pa.timestamp("us", tz="UTC"))),
            ("TIMESTAMP", pa.array([-(2**63)], pa.timestamp("us", tz="UTC"))),
        ],
    )
    def test_what_bigquery_cannot_hold_is_refused_by_name(
        self, kind: str, values: "pa.Array[Any]"
    ) -> None:
        with pytest.raises(
            DataError, match=r"business_case_installments, column amount: .*" + kind
        ):
            convert(pa.chunked_array([values]), Column("amount", kind), SOURCE)

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("DATE", date(1, 1, 1)),
            ("DATE", date(9999, 12, 31)),
            ("TIMESTAMP", datetime(1, 1, 1, tzinfo=UTC)),
            ("TIMESTAMP", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ],
    )
    def test_the_first_and_last_days_are_kept(self, kind: str, value: Any) -> None:
        column = Column("day", kind)
        values = pa.chunked_array([pa.array([None, value], column.arrow.type)])
        assert convert(values, column, SOURCE).to_pylist() == [None, value]

    def test_a_missing_required_value_is_counted(self) -> None:
        values = pa.chunked_array([pa.array([None, "a", None])])
        with pytest.raises(DataError, match="column id: 2 NULL values in a REQUIRED column"):
            convert(values, Column("id", "STRING", "REQUIRED"), SOURCE)
