"""The lines of a run that log services read."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from credix.cli.json_log import JsonReporter, reporter_for
from credix.cli.terminal import TerminalReporter
from credix.core.results import BrokenStep, EffectRecord
from credix.core.settings import Settings
from credix.pipeline.pipeline import Places
from tests.pipeline.manifests import extracted, manifest

GIVEN = {
    "POSTGRES_HOST": "h",
    "POSTGRES_DB": "d",
    "POSTGRES_USER": "u",
    "POSTGRES_PASSWORD": "p4ssword",
    "GCP_PROJECT": "proj",
}
EFFECT = EffectRecord(name="warehouse.load_hashed", target="temp.x", tries=2, seconds=1.2345)
STEP = extracted(
    seconds=2.5,
    rows=1_000,
    size_bytes=4_096,
    effects=(EFFECT,),
    messages=("Column fee is new.",),
)
PLACES = Places("gs://archive/run/", Path("run"))


@pytest.fixture
def stream() -> StringIO:
    return StringIO()


@pytest.fixture
def reporter(stream: StringIO) -> JsonReporter:
    made = JsonReporter(Settings.parse(GIVEN), stream)
    made.run_started("20260331T101500Z-full-1f2e3d", "full")
    return made


def lines(stream: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(("value", "kind"), [("json", JsonReporter), ("text", TerminalReporter)])
def test_the_setting_chooses_who_tells_of_a_run(value: str, kind: type) -> None:
    assert type(reporter_for(Settings.parse({**GIVEN, "CREDIX_LOG_FORMAT": value}))) is kind


def test_each_effect_is_a_line_with_its_run_step_source_and_milliseconds(
    reporter: JsonReporter, stream: StringIO
) -> None:
    reporter.step_finished("03_load", "installments", STEP)

    _, effect, step, message = lines(stream)
    assert (effect["run_id"], effect["step"]) == ("20260331T101500Z-full-1f2e3d", "03_load")
    assert (effect["source"], effect["effect"]) == ("installments", "warehouse.load_hashed")
    assert (effect["milliseconds"], effect["tries"]) == (1234, 2)
    assert (step["rows"], step["size_bytes"], step["milliseconds"]) == (1_000, 4_096, 2_500)
    assert "bytes_processed" not in step
    assert (message["severity"], message["message"]) == ("WARNING", "Column fee is new.")


def test_the_end_tells_what_a_failed_step_and_the_run_itself_have_done(
    reporter: JsonReporter, stream: StringIO
) -> None:
    made = {"name": "archive.upload", "target": "gs://archive/run/manifest.json"}
    own = EFFECT.model_copy(update=made)
    broken = BrokenStep(source="cnpj_ws", step="03_load", effects=(EFFECT,))
    failed = manifest(status="failed", error="03_load failed.", effects=(own,), broken_step=broken)
    reporter.run_finished(failed, PLACES)

    _, first, second, end = lines(stream)
    assert (first["step"], first["source"]) == ("03_load", "cnpj_ws")
    assert first["effect"] == "warehouse.load_hashed"
    assert (second["step"], second["effect"]) == ("run", "archive.upload")
    assert end["event"] == "run_finished"


def test_all_lines_of_a_run_share_a_trace_of_the_project(
    reporter: JsonReporter, stream: StringIO
) -> None:
    reporter.step_finished("03_load", "installments", STEP)
    reporter.warned("late")
    reporter.run_finished(manifest(), PLACES)

    [trace] = {line["logging.googleapis.com/trace"] for line in lines(stream)}
    project, number = trace.split("/traces/")
    assert project == "projects/proj"
    assert len(number) == 32
    assert int(number, 16)
    assert {line["logging.googleapis.com/labels"]["job"] for line in lines(stream)} == {"full"}


@pytest.mark.parametrize(
    ("status", "error", "severity"),
    [("done", None, "INFO"), ("no_changes", None, "INFO"), ("failed", "01 failed.", "ERROR")],
)
def test_a_run_that_failed_ends_with_an_error(
    reporter: JsonReporter, stream: StringIO, status: str, error: str | None, severity: str
) -> None:
    reporter.run_finished(manifest(status=status, error=error), PLACES)
    last = lines(stream)[-1]
    assert (last["severity"], last["status"]) == (severity, status)
    assert error is None or last["message"] == error
