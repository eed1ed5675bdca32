"""Erased rows are gone from every table and file, stay gone, and leave a record without data."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from credix.cli.main import commands
from credix.cli.recovery import open_run
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.clients.gcs.stored import StoredObject
from credix.clients.provision import provision_warehouse
from credix.core.contracts import load_source
from credix.core.errors import FenceError, SettingsError
from credix.core.results import ExtractResult
from credix.core.settings import Settings
from credix.operations.erasure.erase import carry_out, unfinished
from credix.operations.erasure.erase import erase as erase_keys
from credix.operations.erasure.request import Erasure, parse_keys
from credix.operations.erasure.store import ErasureStore
from credix.operations.reconcile import compare_source
from credix.operations.replay.replay import find_attempts, replay
from credix.state.run import build_run, sandbox_settings
from credix.warehouse import transform
from credix.warehouse.cycle import extract, land, load
from tests.pipeline.test_from_landing import put, rows, take
from tests.runs_by_hand import begin, carry
from tests.tables import Table, bronze_rows

ALWAYS = ("2000-01-01", "2999-12-31")
SOURCE, PERSON, OTHER = "installments", "personal-key-4711", "kept"


class DiedError(BaseException):
    """The process ends here."""


@pytest.fixture
def table(tables: dict[str, Table], warehouse: Warehouse) -> Table:
    """Two installments, of which one was deleted in the source since, and is carried so."""
    made = tables[SOURCE]
    made.insert(asset_id=PERSON)
    made.insert(asset_id=OTHER)
    carry(warehouse.settings, SOURCE)
    made.execute("DELETE FROM {table} WHERE asset_id = %(key)s", {"key": PERSON})
    carry(warehouse.settings, SOURCE)
    return made


def erase_person(settings: Settings) -> Erasure:
    keys = parse_keys(load_source(SOURCE), [PERSON])
    return erase_keys(settings, SOURCE, keys, "somebody@desk", asks_source=True)


def build_gold(settings: Settings) -> None:
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-gold-1"
    run = build_run(settings, run_id, settings.run_dir / run_id, None, 0, None, "2024-03-01")
    claim = transform.claim_gold(run)
    for layer in ("silver", "gold"):
        transform.build_layer(run, layer, claim)
    transform.commit_gold(run, claim)


def holders(settings: Settings, lake: Lake, warehouse: Warehouse, text: str = PERSON) -> list[str]:
    """Every table and object of both prefixes in which the text stands; Parquet is decoded."""
    found = []
    for each in (settings, sandbox_settings(settings)):
        for dataset in warehouse._client.list_datasets():
            if dataset.dataset_id.rpartition("_")[0] != each.prefix:
                continue
            for listed in warehouse._client.list_tables(dataset):
                name = f"{dataset.dataset_id}.{listed.table_id}"
                held = warehouse.query(f"SELECT to_json_string(t) AS row FROM `{name}` AS t")
                found += [name for row in held if text in row["row"]]
    for bucket in (settings.lake_bucket, settings.archive_bucket, settings.runs_bucket):
        for blob in lake.objects(bucket, ""):
            if settings.prefix not in blob.name:
                continue
            content = lake.read_bytes(bucket, blob.name)
            if blob.name.endswith(".parquet") and content[:4] == b"PAR1" == content[-4:]:
                content = str(pq.read_table(io.BytesIO(content)).to_pylist()).encode()
            if text.encode() in content:
                found.append(blob.name)
    for path in settings.run_dir.rglob("*.parquet"):
        if text in str(pq.read_table(path).to_pylist()):
            found.append(str(path))
    return found


def test_nothing_is_left_of_an_erased_key_and_the_rest_is_as_it_was(
    settings: Settings, lake: Lake, warehouse: Warehouse, table: Table
) -> None:
    build_gold(settings)
    put(lake, "refused.parquet", rows({"asset_id": PERSON}).append_column("x", [["y"]]))
    put(lake, "waiting.parquet", rows({"asset_id": PERSON}, {"asset_id": "new"}))
    sandbox = sandbox_settings(settings)
    provision_warehouse(Warehouse(sandbox, Effects()))
    table.insert(asset_id=PERSON)
    carry(sandbox, SOURCE)
    in_flight = begin(settings, SOURCE)
    extract(in_flight)
    land(in_flight)
    table.execute("DELETE FROM {table} WHERE asset_id = %(key)s", {"key": PERSON})
    assert len(holders(settings, lake, warehouse)) > 10

    record = erase_person(settings)

    assert holders(settings, lake, warehouse) == []
    assert (record.status, record.bronze_rows, record.unreadable) == ("done", 1, ())
    [saved] = ErasureStore(lake).records(SOURCE)
    assert (saved, saved.requested_by) == (record, "somebody@desk")
    with pytest.raises(FenceError):
        load(in_flight)

    assert bronze_rows(warehouse, table) == table.rows()
    assert compare_source(open_run(settings, SOURCE, "reconcile")).is_equal
    table.insert(asset_id="later")
    carry(settings, SOURCE)
    assert bronze_rows(warehouse, table) == table.rows()
    assert holders(settings, lake, warehouse) == []


def test_what_the_retention_keeps_is_pending_and_no_replay_brings_it_back(
    settings: Settings,
    lake: Lake,
    warehouse: Warehouse,
    table: Table,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    until = datetime.now(UTC) + timedelta(days=30)

    def retained(stored: StoredObject) -> datetime | None:
        return until if stored.bucket == settings.archive_bucket else None

    with monkeypatch.context() as patched:
        patched.setattr("credix.operations.erasure.files.retained_until", retained)
        record = erase_person(settings)
    assert record.status == "pending"
    assert [(file.rows, file.until) for file in record.pending] == [(1, until)] * 2
    assert {file.path for file in record.pending} == set(holders(settings, lake, warehouse))

    into = f"{settings.prefix}_again"
    replay(settings, table.source, find_attempts(lake, table.source, *ALWAYS), into)
    again = settings.with_prefix(into)
    rebuilt = Warehouse(again, warehouse.effects)
    assert bronze_rows(rebuilt, table) == table.rows()
    assert not [name for name in holders(again, lake, warehouse) if name.startswith(f"{into}_")]

    table.insert(asset_id=PERSON)
    carry(settings, SOURCE)
    [waiting] = unfinished(open_run(settings, SOURCE, "erase"), [SOURCE])
    assert carry_out(settings, waiting).status == "done"
    assert unfinished(open_run(settings, SOURCE, "erase"), [SOURCE]) == []
    # Who has come back since stays: in bronze, and in the one file that brought the row.
    assert bronze_rows(warehouse, table) == table.rows()
    assert len([n for n in holders(settings, lake, warehouse) if n.endswith(".parquet")]) == 1


def dying_at(place: str) -> Callable[..., Any]:
    """`Effects.perform` that ends the process behind an effect of this name."""
    perform: Callable[..., Any] = Effects.perform

    def die(self: Effects, name: str, target: str, action: Any) -> Any:
        result = perform(self, name, target, action)
        if name == place:
            raise DiedError(place)
        return result

    return die


# An erasure that goes on has done what lies before the place of its last death.
PLACES = ("erasure.raise_guard", "erasure.delete_rows", "erasure.rewrite", "warehouse.drop")


def test_an_erasure_that_dies_again_and_again_is_finished_by_the_next(
    settings: Settings,
    lake: Lake,
    warehouse: Warehouse,
    table: Table,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def left() -> Erasure:
        [record] = unfinished(open_run(settings, SOURCE, "erase"), [SOURCE])
        return record

    for place in PLACES:
        goes_on = place != PLACES[0]
        with monkeypatch.context() as patched, pytest.raises(DiedError, match=place):
            patched.setattr(Effects, "perform", dying_at(place))
            # Whoever is killed deletes nothing behind him.
            patched.setattr("credix.operations.erasure.files.shutil.rmtree", lambda *_, **__: None)
            carry_out(settings, left()) if goes_on else erase_person(settings)
    assert [name for name in holders(settings, lake, warehouse) if "fetched" in name]
    carry(settings, SOURCE)
    finished = erase_person(settings)
    assert (finished.status, finished.bronze_rows, finished.earlier) == ("done", 1, ())
    assert (finished.files, finished.file_rows) == (2, 2)
    assert finished.repeated_at
    assert holders(settings, lake, warehouse) == []
    assert bronze_rows(warehouse, table) == table.rows()


def erase(*arguments: str) -> dict[str, Any]:
    """What the command tells a program; raises what it ends with."""
    line = ["erase", *arguments, "--json"]
    ended = CliRunner().invoke(commands, line, catch_exceptions=False, standalone_mode=False)
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def test_a_company_goes_with_its_installments_where_that_is_asked_for(
    settings: Settings, lake: Lake, warehouse: Warehouse, tables: dict[str, Table]
) -> None:
    cnpj, own, foreign = "11222333000181", "a-4711", "a-0815"
    tables["cnpj_ws"].insert(cnpj=cnpj)
    tables[SOURCE].insert(asset_id=own, buyer_tax_id=cnpj)
    tables[SOURCE].insert(asset_id=foreign, buyer_tax_id="another")
    company = ("--source", "cnpj_ws", "--key", cnpj)
    for source in tables:
        carry(settings, source)
    with pytest.raises(SettingsError, match="still holds 1 of these keys") as refused:
        erase(*company, "--yes")
    assert cnpj not in str(refused.value)

    tables["cnpj_ws"].execute("DELETE FROM {table}")
    shown = erase(*company)
    assert (shown["done"], shown["referencing_rows"]) == (False, 1)
    [line] = shown["sources"]
    assert (line["in the source"], line["live in bronze"], line["files"]) == (0, 1, 1)
    with pytest.raises(SettingsError, match=r"business_case_installments still holds 1"):
        erase(*company, "--with-references")

    tables[SOURCE].execute("DELETE FROM {table} WHERE asset_id = %(key)s", {"key": own})
    carry(settings, "cnpj_ws", allow_deletes=True)
    carry(settings, SOURCE)
    done = erase(*company, "--with-references", "--yes")
    assert [record["status"] for record in done["erasures"]] == ["done", "done"]
    assert holders(settings, lake, warehouse, cnpj) == []
    assert holders(settings, lake, warehouse, own) == []
    assert set(bronze_rows(warehouse, tables[SOURCE])) == {foreign}
    assert erase(*company)["sources"][0]["files"] == 0


def test_the_same_command_goes_on_where_files_and_bronze_are_done_and_gold_is_not(
    settings: Settings,
    lake: Lake,
    warehouse: Warehouse,
    table: Table,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No look for the key finds it then: silver and gold alone, and a temp table, still have it."""
    table.insert(asset_id=PERSON)
    carry(settings, SOURCE)
    build_gold(settings)
    table.execute("DELETE FROM {table} WHERE asset_id = %(key)s", {"key": PERSON})
    carry(settings, SOURCE)

    def die(*_: Any) -> None:
        raise DiedError

    with monkeypatch.context() as patched, pytest.raises(DiedError):
        patched.setattr("credix.operations.erasure.erase.drop_temp_tables", die)
        erase_person(settings)
    assert holders(settings, lake, warehouse) != []

    command = ("--source", SOURCE, "--key", PERSON)
    assert erase(*command)["sources"][0]["files"] == 0
    [finished] = erase(*command, "--yes")["erasures"]

    assert (finished["status"], finished["bronze_rows"]) == ("done", 1)
    assert holders(settings, lake, warehouse) == []


def test_a_waiting_file_that_is_written_anew_makes_its_rows_no_newer(
    settings: Settings, lake: Lake, warehouse: Warehouse, table: Table
) -> None:
    put(lake, "waiting.parquet", rows({"asset_id": PERSON}, {"asset_id": OTHER}))
    table.execute("UPDATE {table} SET payment_method = 'newest' WHERE asset_id = 'kept'")
    carry(settings, SOURCE)
    erase_person(settings)

    taken = take(settings)

    assert taken.read_result(ExtractResult).superseded_rows == 1
    assert bronze_rows(warehouse, table) == table.rows()


def test_a_file_whose_rows_tell_no_key_is_named(
    settings: Settings, lake: Lake, table: Table
) -> None:
    put(lake, "keyless.parquet", rows({"asset_id": PERSON}).drop_columns("asset_id"))
    [unreadable] = erase_person(settings).unreadable
    assert unreadable.endswith("keyless.parquet")
    assert table


def test_a_key_that_came_back_is_erased_again_and_the_record_tells_of_both_requests(
    settings: Settings, lake: Lake, warehouse: Warehouse, table: Table
) -> None:
    first = erase_person(settings)
    table.insert(asset_id=PERSON)
    carry(settings, SOURCE)
    with pytest.raises(SettingsError, match="still holds 1 of these keys"):
        erase_person(settings)
    table.execute("DELETE FROM {table} WHERE asset_id = %(key)s", {"key": PERSON})
    with pytest.raises(SettingsError, match="replicate their deletes first"):
        erase_person(settings)
    assert ErasureStore(lake).records(SOURCE) == [first]
    carry(settings, SOURCE)

    second = erase_person(settings)

    assert holders(settings, lake, warehouse) == []
    assert ErasureStore(lake).records(SOURCE) == [second]
    assert (second.id, second.bronze_rows) == (first.id, 1)
    assert second.earlier == first.requests
    assert first.attempt < second.attempt


def test_where_no_deletes_are_captured_a_row_goes_and_one_that_has_come_back_stays(
    settings: Settings,
    lake: Lake,
    warehouse: Warehouse,
    tables: dict[str, Table],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without = replace(load_source(SOURCE), captures_deletes=False)
    monkeypatch.setattr("credix.state.run.load_source", lambda _: without)
    table = tables[SOURCE]
    for key in (PERSON, OTHER):
        table.insert(asset_id=key)
    carry(settings, SOURCE)
    table.execute("DELETE FROM {table} WHERE asset_id = %(key)s", {"key": PERSON})
    with monkeypatch.context() as patched, pytest.raises(DiedError):
        patched.setattr(Effects, "perform", dying_at("erasure.begin"))
        erase_person(settings)
    table.insert(asset_id=PERSON, payment_method="PIX")
    carry(settings, SOURCE)
    [begun] = ErasureStore(lake).records(SOURCE)

    assert carry_out(settings, begun).bronze_rows == 0

    assert bronze_rows(warehouse, table) == table.rows()
    assert len([n for n in holders(settings, lake, warehouse) if n.endswith(".parquet")]) == 1
    table.execute("DELETE FROM {table} WHERE asset_id = %(key)s", {"key": PERSON})
    assert erase_person(settings).bronze_rows == 1
    assert holders(settings, lake, warehouse) == []
    assert set(bronze_rows(warehouse, table)) == {OTHER}
