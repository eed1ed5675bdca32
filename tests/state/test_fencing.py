"""A superseded run that wakes up ends as superseded, and does not hurt its successor."""

from dataclasses import replace
from typing import Any

import pytest

from credix.clients.bigquery.warehouse import Warehouse
from credix.core.errors import DataError, FenceError, StateError
from credix.core.paths import hashed_table, stable_table
from credix.core.settings import Settings
from credix.pipeline.clear_parts import clear_parts, clear_superseded
from credix.state.fencing import fenced
from credix.state.run import Run, describe, write_value
from credix.warehouse import temp_layer as loading
from credix.warehouse import transform
from credix.warehouse.cycle import extract, land, load
from tests.runs_by_hand import begin
from tests.tables import Table


@pytest.fixture
def superseded(settings: Settings, tables: dict[str, Table], warehouse: Warehouse) -> Run:
    """A run that sleeps once its files have landed; its successor has loaded the same rows."""
    assert warehouse
    tables["installments"].insert(asset_id="a1")
    run = begin(settings, "installments")
    write_value(run.source_folder / "run.json", describe(run))
    extract(run)
    land(run)
    return run


def succeed(run: Run) -> Run:
    """The run that begins meanwhile, up to its temp table."""
    newer = begin(run.settings, "installments")
    clear_superseded(run.settings, "installments", newer.attempt)
    extract(newer)
    land(newer)
    load(newer)
    return newer


def temp_table(run: Run) -> str:
    return hashed_table(run.source, run.run_id, run.attempt)


def tables_of(run: Run) -> set[str]:
    return set(run.warehouse.tables("temp", "installments_")) - {"installments_schema"}


def test_a_superseded_run_ends_as_such_and_leaves_its_successor_alone(superseded: Run) -> None:
    newer = succeed(superseded)
    for step in (land, load):
        with pytest.raises(FenceError, match=r"attempt 1 of .* is superseded"):
            step(superseded)
    # Where its own files were loaded already, it must not put them before people again.
    with pytest.raises(FenceError, match="superseded"):
        loading.load_stable(superseded, [])
    assert tables_of(newer) == {temp_table(newer), stable_table(newer.source)}
    assert transform.drop_temp_tables(superseded) == []
    assert transform.drop_temp_tables(newer) == [temp_table(newer)]


def test_a_run_drops_its_own_temp_tables_and_those_of_dead_runs_once_they_have_expired(
    superseded: Run,
) -> None:
    load(superseded)
    newer = succeed(superseded)
    repair = replace(newer, attempt=newer.attempt + 1, repairs=newer)
    assert transform.drop_temp_tables(repair) == [temp_table(newer)]
    assert temp_table(superseded) in tables_of(newer)
    later = newer.settings.model_copy(update={"temp_table_hours": 0})
    repair = replace(repair, settings=later)
    assert transform.drop_temp_tables(repair) == [temp_table(superseded)]
    assert tables_of(newer) == {stable_table(newer.source)}


def test_a_run_that_still_holds_its_source_keeps_the_error_it_met(superseded: Run) -> None:
    clear_parts(superseded.folder, "installments")
    with pytest.raises(DataError, match="is not a whole Parquet file"):
        land(superseded)


def test_a_comparison_without_a_fence_is_superseded_by_none(superseded: Run) -> None:
    @fenced
    def compare(_: Run) -> None:
        raise StateError("its own")

    with pytest.raises(StateError, match="its own"):
        compare(replace(superseded, attempt=0))


def test_a_state_that_cannot_be_read_hides_no_error(
    superseded: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise StateError("cannot be read")

    @fenced
    def fail(_: Run) -> None:
        raise ValueError("its own")

    monkeypatch.setattr(type(superseded.states), "read_source", refuse)
    with pytest.raises(ValueError, match="its own"):
        fail(superseded)
