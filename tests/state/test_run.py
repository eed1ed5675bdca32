"""The run that notebooks share: opened, picked up, and never mixed with the real one."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from credix.clients.gcs.lake import Lake
from credix.core.errors import BusyError, SettingsError, StepError
from credix.core.results import ExtractResult
from credix.core.settings import Settings
from credix.core.watermarks import Watermark
from credix.state.leases import new_lease
from credix.state.run import (
    JOURNAL,
    Run,
    build_run,
    new_run_id,
    open_run,
    resume_run,
    today,
    write_text,
)
from credix.state.store import StateStore
from tests.pipeline.manifests import extracted


def open_sandbox(*, commit: bool = False) -> Run:
    return open_run("installments", "", "", 0, None, "2024-03-01", commit=commit)


@pytest.fixture
def states(settings: Settings, lake: Lake) -> StateStore:
    return StateStore(settings, lake)


class TestOpen:
    def test_the_parameters_of_the_pipeline_name_the_run(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        watermark = Watermark(row_version=7)
        run = open_run(
            "installments", "r1", str(tmp_path), 3, watermark, "2024-03-01", commit=False
        )
        assert (run.run_id, run.folder, run.attempt) == ("r1", tmp_path, 3)
        assert run.watermark is not None
        assert run.watermark.row_version == 7
        assert (run.business_date, run.is_sandbox) == ("2024-03-01", False)
        assert run.settings.prefix == settings.prefix

    def test_without_them_it_is_a_sandbox_that_leaves_the_real_state_alone(
        self, settings: Settings, states: StateStore
    ) -> None:
        run = open_sandbox()
        assert run.is_sandbox
        assert run.settings.prefix == f"sandbox_{settings.prefix}"
        assert run.attempt == 1
        assert states.read_source("installments").attempt == 0
        assert run.warehouse.columns("temp", "installments_schema")

    def test_a_sandbox_does_not_wait_for_an_earlier_sandbox(self, settings: Settings) -> None:
        assert settings
        assert [open_sandbox().attempt for _ in range(2)] == [1, 2]

    def test_with_commit_it_is_a_real_run_with_fence_and_lease(
        self, settings: Settings, states: StateStore
    ) -> None:
        run = open_sandbox(commit=True)
        state = states.read_source("installments")
        assert (run.is_sandbox, run.settings.prefix) == (False, settings.prefix)
        assert state.attempt == run.attempt == 1
        assert state.lease is not None
        assert state.lease.run_id == run.run_id

    def test_with_commit_it_gives_way_to_a_run_at_work(self, states: StateStore) -> None:
        elsewhere = new_lease("theirs", timedelta(minutes=5)).model_copy(update={"host": "far"})
        states.change_source(
            "state.raise_fence",
            "installments",
            lambda state: state.raise_fence(elsewhere, datetime.now(UTC), lambda _: False),
        )
        with pytest.raises(BusyError, match="The run theirs"):
            open_sandbox(commit=True)

    def test_an_unknown_source_is_refused_before_anything_is_written(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        assert settings
        with pytest.raises(SettingsError, match="no source 'nope'"):
            open_run("nope", "", "", 0, None, "", commit=True)
        assert not list(tmp_path.rglob("*.json"))


class TestResume:
    def test_the_latest_run_by_hand_is_picked_up(self, settings: Settings) -> None:
        assert settings
        open_sandbox()
        opened = open_sandbox()
        run = resume_run("", "")
        assert (run.run_id, run.attempt, run.source_name) == (
            opened.run_id,
            opened.attempt,
            "installments",
        )
        assert (run.is_sandbox, run.settings.prefix) == (True, opened.settings.prefix)
        assert run.business_date == "2024-03-01"

    def test_a_named_folder_goes_before_the_latest(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        open_sandbox()
        open_run("cnpj_ws", "r1", str(tmp_path / "r1"), 3, None, "", commit=False)
        run = resume_run("cnpj_ws", str(tmp_path / "r1"))
        assert (run.run_id, run.settings.prefix) == ("r1", settings.prefix)

    def test_without_any_run_the_way_out_is_named(self, settings: Settings) -> None:
        assert settings
        with pytest.raises(SettingsError, match=r"run 01_extract\.ipynb first"):
            resume_run("", "")

    def test_a_folder_without_a_run_is_named(self, settings: Settings, tmp_path: Path) -> None:
        assert settings
        with pytest.raises(SettingsError, match=str(tmp_path)):
            resume_run("installments", str(tmp_path))


class TestResults:
    @pytest.fixture
    def run(self, settings: Settings, tmp_path: Path) -> Run:
        return build_run(settings, "r1", tmp_path, "installments", 3, None, "2024-03-01")

    def test_a_step_result_is_written_whole_and_read_back(self, run: Run) -> None:
        run.effects.perform("lake.upload", "gs://b/x", lambda: None)
        written = run.finish(extracted(rows=7), "")
        assert run.read_result(ExtractResult) == written
        assert (written.run_id, written.attempt, written.rows) == ("r1", 3, 7)
        assert written.effects[0].name == "lake.upload"
        left = sorted(path.name for path in run.source_folder.iterdir())
        assert left == ["01_extract.json", JOURNAL]

    def test_it_goes_where_the_pipeline_wants_it(self, run: Run, tmp_path: Path) -> None:
        run.finish(extracted(), str(tmp_path / "elsewhere" / "result.json"))
        assert json.loads((tmp_path / "elsewhere" / "result.json").read_text())["run_id"] == "r1"

    @pytest.mark.parametrize("text", [None, "", "{", "{}", '{"version": 2}'])
    def test_a_missing_or_half_result_names_the_notebook_to_run(
        self, run: Run, text: str | None
    ) -> None:
        if text is not None:
            run.source_folder.mkdir(parents=True)
            (run.source_folder / "01_extract.json").write_text(text)
        with pytest.raises(StepError, match=r"no result of 01_extract .*run that notebook"):
            run.read_result(ExtractResult)

    def test_what_fails_to_be_written_leaves_what_was_there(self, tmp_path: Path) -> None:
        path = tmp_path / "x.json"
        write_text(path, "good")
        with pytest.raises(UnicodeEncodeError):
            write_text(path, "half \ud800")
        assert path.read_text() == "good"


def test_run_ids_sort_by_time_and_name_the_job() -> None:
    assert re.fullmatch(r"\d{8}T\d{6}Z-full-[0-9a-f]{6}", new_run_id("full"))
    assert new_run_id("full") != new_run_id("full")


def test_the_business_day_is_that_of_the_time_zone(settings: Settings) -> None:
    days = {
        today(settings.model_copy(update={"timezone": zone}))
        for zone in ("Pacific/Kiritimati", "Etc/GMT+12")
    }
    assert len(days) == 2
