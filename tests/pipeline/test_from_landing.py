"""Files of outside writers instead of an extract: what they change, and what they cannot harm."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from credix.capture.external import arrivals
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.errors import DataError, FenceError
from credix.core.jobs import Job
from credix.core.paths import paths_of
from credix.core.results import ExtractResult
from credix.core.run_options import RunOptions
from credix.core.settings import Settings
from credix.operations.replay.replay import find_attempts, replay
from credix.pipeline.pipeline import Pipeline, Request
from credix.state.run import Run
from credix.warehouse.cycle import extract
from tests.pipeline.test_pipeline import Silent
from tests.runs_by_hand import begin, carry, carry_run
from tests.tables import INSTALLMENT, Table, bronze_rows, query_bronze

SOURCE = "installments"
ALWAYS = ("2000-01-01", "2999-12-31")


class DiedError(BaseException):
    """The process ends here."""


@pytest.fixture
def filled(tables: dict[str, Table], warehouse: Warehouse) -> Table:
    """Three installments that an extract has carried."""
    for number in range(3):
        tables[SOURCE].insert(asset_id=f"a{number}")
    carry(warehouse.settings, SOURCE)
    return tables[SOURCE]


def rows(*changes: dict[str, Any]) -> pa.Table:
    """Installments as an outside writer has them, with the columns that it adds."""
    names = [name for name in changes[0] if name not in INSTALLMENT] if changes else []
    return pa.Table.from_pylist([{**INSTALLMENT, **change} for change in changes]).cast(
        pa.schema([pa.field(name, KINDS.get(name, pa.string())) for name in [*INSTALLMENT, *names]])
    )


KINDS = {
    **{f"{name}_date": pa.date32() for name in ("invoice_issue", "due", "paid")},
    **{f"{name}_amount_in_cents": pa.int64() for name in ("expected", "paid")},
    **{f"installment_{name}": pa.int32() for name in ("number", "count")},
    "_committed_at": pa.timestamp("us", tz="UTC"),
    "_order": pa.int64(),
}


def put(lake: Lake, name: str, content: pa.Table | bytes, **metadata: str) -> None:
    """What an outside writer does."""
    if isinstance(content, pa.Table):
        sink = BytesIO()
        pq.write_table(content, sink)
        content = sink.getvalue()
    path = f"{paths_of(lake.settings).external(SOURCE)}{name}"
    blob = lake._client.bucket(lake.settings.lake_bucket).blob(path)
    blob.metadata = metadata or None
    blob.upload_from_string(content)


def take(settings: Settings) -> Run:
    run = begin(settings, SOURCE)
    run = replace(run, orders=RunOptions(from_landing=True))
    return carry_run(run)


def soon(seconds: int = 0) -> datetime:
    """Behind every snapshot that was taken before."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def methods(warehouse: Warehouse, table: Table) -> dict[str, str]:
    """What the writers of these tests change: the payment method of each live key."""
    held = bronze_rows(warehouse, table)
    return {key: row["payment_method"] for key, row in sorted(held.items())}


def places(lake: Lake) -> dict[str, list[str]]:
    """Names of outside files by where they lie."""
    paths, settings = paths_of(lake.settings), lake.settings
    folders = {
        "landing": (settings.lake_bucket, paths.external(SOURCE)),
        "archive": (settings.archive_bucket, paths.received(SOURCE, "", "")[:-1]),
        "failed": (settings.lake_bucket, paths.failed(paths.external(SOURCE))),
    }
    return {
        name: sorted(blob.name.rpartition("/")[2] for blob in lake.objects(*folder))
        for name, folder in folders.items()
    }


def test_what_outside_writers_bring_reaches_bronze_and_the_source_has_the_last_word(
    settings: Settings, lake: Lake, warehouse: Warehouse, filled: Table
) -> None:
    before = begin(settings, SOURCE).states.read_source(SOURCE).watermark
    put(
        lake,
        "stream/0002.parquet",
        rows(
            {"asset_id": "a1", "payment_method": "PIX", "_op": "UPDATE", "_committed_at": soon(2)},
            {"asset_id": "a1", "payment_method": "TED", "_op": "UPDATE", "_committed_at": soon(1)},
            {"asset_id": "a2", "payment_method": None, "_op": "DELETE", "_committed_at": soon(1)},
        ),
    )
    put(lake, "0001.parquet", rows({"asset_id": "new", "payment_method": "CARD"}), rows="1")

    run = take(settings)

    assert methods(warehouse, filled) == {"a0": "BOLETO", "a1": "PIX", "new": "CARD"}
    [gone] = query_bronze(
        warehouse, filled, "SELECT asset_id, due_date FROM {table} WHERE _is_deleted"
    )
    assert gone == {"asset_id": "a2", "due_date": None}
    assert places(lake) == {
        "landing": [],
        "archive": ["0001.parquet", "0002.parquet"],
        "failed": [],
    }
    state = run.states.read_source(SOURCE)
    assert (state.watermark, state.committed_seq) == (before, run.attempt)
    result = run.read_result(ExtractResult)
    assert (result.rows, result.deleted_rows, result.lossless) == (3, 1, False)

    filled.execute("UPDATE {table} SET payment_method = 'TED' WHERE asset_id = 'a0'")
    carry(settings, SOURCE)
    assert bronze_rows(warehouse, filled) == filled.rows()
    assert run.states.read_source(SOURCE).external is None

    into = f"{settings.prefix}_again"
    replay(settings, filled.source, find_attempts(lake, filled.source, *ALWAYS), into)
    rebuilt = Warehouse(settings.with_prefix(into), warehouse.effects)
    assert bronze_rows(rebuilt, filled) == filled.rows()


def test_a_whole_run_shows_what_was_found_and_tells_of_it(
    settings: Settings, lake: Lake, warehouse: Warehouse, filled: Table
) -> None:
    put(lake, "1.parquet", rows({"asset_id": "new", "payment_method": "PIX"}))
    put(lake, "note.txt", b"hello")
    job = Job(SOURCE, (SOURCE,), has_report=False)
    orders = RunOptions(from_landing=True)
    request = Request(job, None, {}, {"layers": ["bronze"]}, orders)
    manifest = Pipeline(settings, request, Silent()).run()

    assert methods(warehouse, filled)["new"] == "PIX"
    told = manifest.sources[SOURCE]
    assert set(told.rows.values()) == {1}
    assert (told.lossless, told.watermark_from) == (False, told.watermark_to)
    extracted = manifest.steps[SOURCE]["01_extract"]
    assert isinstance(extracted, ExtractResult)
    [warning] = extracted.messages
    assert warning.startswith("WARNING: note.txt was refused")
    notebook = settings.run_dir / manifest.run_id / f"01_extract.{SOURCE}.ipynb"
    assert "1.parquet" in notebook.read_text("utf-8")


def test_a_change_that_comes_late_sets_nothing_back(
    settings: Settings, lake: Lake, warehouse: Warehouse, filled: Table
) -> None:
    first = soon(9)
    early = {"asset_id": "a0", "payment_method": "TED", "_committed_at": soon(-3600)}
    put(lake, "1.parquet", rows(early, {**early, "asset_id": "a1", "_committed_at": first}))
    run = take(settings)
    assert methods(warehouse, filled) == {"a0": "BOLETO", "a1": "TED", "a2": "BOLETO"}
    assert run.read_result(ExtractResult).superseded_rows == 1

    late = {
        "asset_id": "a1",
        "payment_method": "CARD",
        "_committed_at": first - timedelta(seconds=5),
    }
    put(lake, "2.parquet", rows(late))
    run = take(settings)
    assert methods(warehouse, filled)["a1"] == "TED"
    assert (run.read_result(ExtractResult).rows, places(lake)["landing"]) == (0, [])


def bad_files() -> Iterator[tuple[str, pa.Table | bytes, dict[str, str], str]]:
    """Name, content, metadata and why it is refused."""
    good = rows({"asset_id": "bad"})
    at = soon(5)
    twice = [
        {"asset_id": "bad", "payment_method": method, "_committed_at": at}
        for method in ("PIX", "TED")
    ]
    yield "garbage.parquet", b"PAR1 nothing PAR1", {}, "not a whole Parquet file"
    yield "empty.parquet", b"", {}, "not a whole Parquet file"
    yield "_SUCCESS", b"", {}, "does not end in .parquet"
    yield "missing.parquet", good.drop_columns(["due_date"]), {}, "column due_date is missing"
    yield (
        "type.parquet",
        good.set_column(7, "due_date", pa.array(["2024-01-01"])),
        {},
        "column due_date is string, which is not DATE",
    )
    yield (
        "unknown.parquet",
        good.append_column("color", pa.array(["red"])),
        {},
        "column color is not in the contract",
    )
    yield "key.parquet", rows({"asset_id": None}), {}, "asset_id: 1 NULL values"
    yield "op.parquet", rows({"asset_id": "bad", "_op": "MERGE"}), {}, "_op has values"
    yield "ambiguous.parquet", rows(*twice), {}, "1 keys have more than one version"
    yield "short.parquet", good, {"rows": "2"}, "it has 1 rows, its metadata says 2"
    yield "sum.parquet", good, {"crc32c": "AAAAAA=="}, "its metadata says AAAAAA=="


def test_a_file_that_cannot_be_used_goes_to_failed_and_stops_no_other(
    settings: Settings, lake: Lake, warehouse: Warehouse, filled: Table
) -> None:
    wanted = {}
    for name, content, metadata, reason in bad_files():
        put(lake, name, content, **metadata)
        wanted[name] = reason
    good = rows({"asset_id": "good", "payment_method": "PIX"})
    put(lake, "good.parquet", good)
    put(lake, "twin.parquet", good)
    wanted["twin.parquet"] = "same content as good.parquet"

    run = take(settings)

    folder = paths_of(settings).failed(paths_of(settings).external(SOURCE))
    reasons = {
        blob.name.removeprefix(folder).rpartition(".")[0]: blob.metadata["reason"]
        for blob in lake.objects(settings.lake_bucket, folder)
    }
    assert reasons.keys() == wanted.keys()
    assert not {name: reasons[name] for name in wanted if wanted[name] not in reasons[name]}
    assert len(run.read_result(ExtractResult).messages) == len(wanted)
    assert places(lake)["landing"] == []
    assert set(methods(warehouse, filled)) == {"a0", "a1", "a2", "good"}

    put(lake, "again.parquet", good)
    assert take(settings).read_result(ExtractResult).status == "no_changes"
    assert any(name.startswith("again.parquet") for name in places(lake)["failed"])


def test_a_file_that_is_replaced_while_it_is_read_waits_for_the_next_run(
    settings: Settings, lake: Lake, warehouse: Warehouse, filled: Table
) -> None:
    put(lake, "1.parquet", rows({"asset_id": "a1", "payment_method": "TED"}))
    run = begin(settings, SOURCE)
    run = replace(run, orders=RunOptions(from_landing=True))
    found = arrivals.find_files(run)
    put(lake, "1.parquet", rows({"asset_id": "a1", "payment_method": "PIX"}))
    [line] = arrivals.check_files(run, found).lines
    assert (line.fate, places(lake)["landing"]) == ("left", ["1.parquet"])

    take(settings)
    assert methods(warehouse, filled)["a1"] == "PIX"


@pytest.mark.usefixtures("filled")
def test_no_more_is_fetched_than_the_disk_may_hold_and_what_never_fits_is_refused(
    settings: Settings, lake: Lake
) -> None:
    names = ("1.parquet", "3.parquet", "4.parquet")
    for name in names:
        put(lake, name, rows({"asset_id": name}))
    put(lake, "2.parquet", rows(*({"asset_id": f"{n:064x}"} for n in range(2000))))
    run = begin(settings, SOURCE)
    found = arrivals.find_files(run)
    size = max(file.stored.size for file in found if file.name in names)
    run = replace(run, settings=settings.model_copy(update={"slice_bytes": size * 3 // 2}))

    lines = {line.file: line for line in arrivals.check_files(run, found).lines}

    fates = {name: lines[name].fate for name in sorted(lines)}
    assert list(fates.values()) == ["taken", "refused", "left", "left"], fates
    assert "more than CREDIX_SLICE_BYTES" in lines["2.parquet"].reason
    assert places(lake)["landing"] == list(names)


def test_versions_that_no_run_compares_with_any_more_are_deleted(
    settings: Settings, lake: Lake, filled: Table
) -> None:
    """Files with hashes of rows: of runs that died, and of a read in slices that was given up."""
    folder = paths_of(settings).rereads(SOURCE)
    bucket = lake._client.bucket(settings.lake_bucket)

    def held() -> set[int]:
        listed = lake.objects(settings.lake_bucket, folder)
        names = [blob.name.removeprefix(folder).partition(".")[0] for blob in listed]
        assert "of-somebody-else" in names
        return {int(name) for name in names if name.isdecimal()}

    bucket.blob(f"{folder}of-somebody-else.parquet").upload_from_string(b"")
    for attempt in (0, 999_999):
        bucket.blob(f"{folder}{attempt:06d}.parquet").upload_from_string(b"")
    put(lake, "1.parquet", rows({"asset_id": "new", "payment_method": "PIX"}))
    take(settings)
    assert 999_999 in held()
    assert 0 not in held()

    bucket.blob(f"{folder}{0:06d}.parquet").upload_from_string(b"")
    filled.execute("UPDATE {table} SET payment_method = 'TED' WHERE asset_id = 'a0'")
    carry(settings, SOURCE)
    assert 0 not in held()


def test_a_late_run_takes_nothing_and_an_extract_leaves_the_files_alone(
    settings: Settings, lake: Lake, warehouse: Warehouse, filled: Table
) -> None:
    put(lake, "1.parquet", rows({"asset_id": "new", "payment_method": "PIX"}))
    late = begin(settings, SOURCE)
    late = replace(late, orders=RunOptions(from_landing=True))
    filled.execute("UPDATE {table} SET payment_method = 'TED' WHERE asset_id = 'a0'")
    carry(settings, SOURCE)
    assert places(lake)["landing"] == ["1.parquet"]
    with pytest.raises(FenceError):
        carry_run(late)
    assert set(methods(warehouse, filled)) == {"a0", "a1", "a2"}


@pytest.mark.usefixtures("filled")
def test_files_that_delete_too_much_are_refused_and_stay(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credix.capture.compare.key_comparison.FEW_DELETES", 1)
    gone = [{"asset_id": f"a{number}", "_op": "D"} for number in range(3)]
    put(lake, "1.parquet", rows(*gone))
    run = begin(settings, SOURCE)
    run = replace(run, orders=RunOptions(from_landing=True))
    with pytest.raises(DataError, match="The files in landing delete 3 keys"):
        extract(run)
    assert places(lake)["landing"] == ["1.parquet"]


DEATHS = (
    "state.note_external",
    "lake.upload",
    "warehouse.load_hashed",
    "lake.archive",
    "bronze.merge",
    "lake.confirm_merge",
    "state.commit",
    "lake.archive_external",
)


def test_a_death_behind_any_effect_is_not_felt(
    settings: Settings,
    lake: Lake,
    warehouse: Warehouse,
    filled: Table,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two files each time, one of which follows the other; then the source has the last word."""
    perform = Effects.perform

    for number, place in enumerate(DEATHS):
        methods_of_now = ("PIX", "TED") if number % 2 else ("CARD", "PIX")
        for name, method in zip("ab", methods_of_now, strict=True):
            change = {"asset_id": "a1", "payment_method": method, "invoice_id": str(number)}
            put(lake, f"{number}{name}.parquet", rows(change))

        def die(self: Effects, name: str, target: str, action: Any, place: str = place) -> Any:
            result = perform(self, name, target, action)
            if name == place:
                raise DiedError(place)
            return result

        with monkeypatch.context() as patched, pytest.raises(DiedError, match=place):
            patched.setattr(Effects, "perform", die)
            take(settings)
        take(settings)
        assert methods(warehouse, filled)["a1"] == methods_of_now[1], place
        found = places(lake)
        assert (found["landing"], found["failed"]) == ([], []), place
        assert len(found["archive"]) == 2 * (number + 1), place
    carry(settings, SOURCE)
    assert bronze_rows(warehouse, filled) == filled.rows()


def test_a_file_that_was_merged_before_is_found_by_the_hash_in_its_path(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credix.core.paths.HASH_DIGITS", 10)
    run, sha256 = begin(settings, "installments"), "0123456789abcdef" * 4
    arrivals.refuse_twin(run, sha256, {})
    path = paths_of(settings).received("installments", sha256, "folder/name.parquet")
    lake.upload("lake.test", settings.archive_bucket, path, b"x")
    with pytest.raises(DataError, match=r"same content as .*0123456789/folder/name\.parquet"):
        arrivals.refuse_twin(run, sha256, {})
