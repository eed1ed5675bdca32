"""Whole runs through papermill, against the real servers."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psutil
import pytest
from docs.generator.effects import effects_in, effects_of
from docs.generator.run_part import AFTER, BEFORE, calls_of

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.dbt.project import project_fingerprint
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.errors import (
    CredixError,
    FenceError,
    SettingsError,
    SourceError,
    StateError,
    StepError,
    TransientError,
)
from credix.core.jobs import LAYERS, find_job
from credix.core.paths import paths_of
from credix.core.results import AnyResult, Manifest, parse_manifest
from credix.core.settings import PROJECT_DIR, Settings
from credix.pipeline.archive import archive_run
from credix.pipeline.notebooks.templates import KERNEL_NAME
from credix.pipeline.pipeline import Pipeline, Places, Request
from credix.state.states import GoldState
from credix.state.store import StateStore
from tests.death import dying_at
from tests.known import known
from tests.runs_by_hand import carry, carry_all
from tests.tables import Table, bronze_rows

COMMAND = PROJECT_DIR / "run_pipeline.py"
TO_BRONZE = ("-p", "layers", '["bronze"]')


class Silent:
    """A reporter that says nothing."""

    def run_started(self, run_id: str, job: str) -> None: ...
    def cell_started(self, notebook: str, number: int, count: int, heading: str) -> None: ...

    def progressed(self, line: str) -> None: ...
    def step_finished(self, notebook: str, source: str, result: AnyResult) -> None: ...
    def run_finished(self, manifest: Manifest, places: Places) -> None: ...
    def warned(self, message: str) -> None: ...


def run(
    settings: Settings, job: str = "full", business_date: str | None = None, **parameters: Any
) -> Manifest:
    return run_with(Silent(), settings, job, business_date, **parameters)


def run_with(
    reporter: Silent,
    settings: Settings,
    job: str,
    business_date: str | None = None,
    **parameters: Any,
) -> Manifest:
    request = Request(find_job(job), business_date, {}, parameters)
    return Pipeline(settings, request, reporter).run()


@pytest.fixture
def filled(tables: dict[str, Table], warehouse: Warehouse) -> dict[str, Table]:
    """Three companies and a handful of installments, one dirty row of each."""
    company, installment = tables["cnpj_ws"], tables["installments"]
    for number in range(3):
        company.insert(cnpj=f"1122233300018{number}", legal_name=f"Nome Secreto {number}")
    company.insert(cnpj="99999999000199", zip_code="123")
    for number in range(8):
        installment.insert(
            asset_id=f"a{number}",
            buyer_tax_id=f"1122233300018{number % 3}",
            due_date=date(2024, 2, 1) + timedelta(days=number),
            paid_date=date(2024, 2, 1) if number % 2 else None,
            paid_amount_in_cents=12345 if number % 2 else None,
        )
    installment.insert(asset_id="dirty", expected_amount_in_cents=-1)
    assert warehouse
    return tables


def assert_bronze_equals_source(warehouse: Warehouse, tables: dict[str, Table]) -> None:
    for table in tables.values():
        assert bronze_rows(warehouse, table) == table.rows()


class Watching(Silent):
    """A reporter that notes which sources are held when a notebook begins."""

    def __init__(self, settings: Settings) -> None:
        self.states = StateStore(settings, Lake(settings, Effects()))
        self.held: dict[str, list[str]] = {}

    def cell_started(self, notebook: str, *_: Any) -> None:
        if notebook not in self.held:
            sources = ("cnpj_ws", "installments")
            self.held[notebook] = [
                name for name in sources if self.states.read_source(name).lease is not None
            ]


def test_a_first_run_carries_every_row_and_value_to_bronze_and_gold(
    settings: Settings, warehouse: Warehouse, filled: dict[str, Table]
) -> None:
    reporter = Watching(settings)
    manifest = run_with(reporter, settings, "full")

    assert manifest.status == "done"
    assert reporter.held["04_transform"] == ["cnpj_ws", "installments"]
    assert reporter.held["05_report"] == []
    assert_bronze_equals_source(warehouse, filled)
    summary = warehouse.table_id("gold", "company_payment_summary")
    rows = warehouse.query(f"SELECT * FROM `{summary}` ORDER BY buyer_tax_id")
    assert [row["buyer_tax_id"][-1] for row in rows] == ["0", "1", "2", "9"]
    assert [row["company_data_quality"] for row in rows] == ["VALID"] * 3 + ["COMPANY_NOT_VALID"]
    assert sum(row["total_installments"] for row in rows) == 8
    assert sum(row["paid_installments"] for row in rows) == 4
    quarantine = warehouse.table_id("silver", "quarantine")
    reasons = {row["reason"] for row in warehouse.query(f"SELECT reason FROM `{quarantine}`")}
    assert reasons == {"INVALID_ZIPCODE", "NEGATIVE_AMOUNT", "INVALID_CNPJ"}
    for source in filled:
        rows_by_step = manifest.sources[source].rows
        assert len(set(rows_by_step.values())) == 1, rows_by_step
    # No gold was there before: how long a change has waited for one has no upper bound.
    assert manifest.lags["installments"].at_most is None
    assert_the_picture_has_what_it_did(manifest)


def assert_the_picture_has_what_it_did(manifest: Manifest) -> None:
    """docs/explanation/how-a-run-works.md draws side effects as it reads them in the code."""
    own = {effect.name for effect in manifest.effects}
    assert own <= set(effects_in(*BEFORE, *AFTER))
    for owner, steps in manifest.steps.items():
        for step, result in steps.items():
            done = {effect.name for effect in result.effects}
            drawn = set(effects_of(calls_of(step)))
            if "layer.build" in drawn:
                drawn |= {f"{layer}.build" for layer in LAYERS}
            assert done <= drawn, f"{owner} {step}"
    carried = manifest.steps["installments"]["04_transform"].effects
    assert {"bronze.merge", "state.commit"} <= {effect.name for effect in carried}


def test_the_archive_tells_the_run_and_no_secret(
    settings: Settings, lake: Lake, filled: dict[str, Table]
) -> None:
    carry(settings, "cnpj_ws")
    states = StateStore(settings, lake)
    before = states.read_source("cnpj_ws").watermark
    filled["cnpj_ws"].insert(cnpj="11222333000189")

    manifest = run(settings, "cnpj", layers=["bronze"])

    folder = paths_of(settings).run(manifest.run_id)
    blobs = {b.name.removeprefix(folder): b for b in lake.objects(settings.archive_bucket, folder)}
    notebooks = [f"{step}.cnpj_ws" for step in ("01_extract", "02_land", "03_load", "04_transform")]
    assert set(blobs) == {f"{n}{s}" for n in notebooks for s in (".ipynb", ".html")} | {
        "dbt_results.jsonl",
        "manifest.json",
    }
    contents = {
        name: lake.read_bytes(settings.archive_bucket, blob.name).decode()
        for name, blob in blobs.items()
    }
    for name, content in contents.items():
        assert settings.postgres_password.get_secret_value() not in content, name
        assert "Nome Secreto" not in content, name
        if name.endswith(".html"):
            assert '<script src="http' not in content
            assert '<link rel="stylesheet" href="http' not in content
    assert injected(contents["01_extract.cnpj_ws.ipynb"])["watermark"] == known(before).model_dump()
    archived = json.loads(contents["manifest.json"])
    assert archived["status"] == "done"
    assert "state.raise_fence" in [effect["name"] for effect in archived["effects"]]


def injected(notebook: str) -> dict[str, Any]:
    """The parameters that papermill put into a notebook."""
    cells = json.loads(notebook)["cells"]
    [cell] = [c for c in cells if "injected-parameters" in c["metadata"].get("tags", [])]
    values: dict[str, Any] = {}
    exec("".join(cell["source"]), values)
    return values


def test_a_new_day_and_new_rules_build_gold_and_a_run_without_changes_ends_after_extract(
    settings: Settings, warehouse: Warehouse, lake: Lake, filled: dict[str, Table]
) -> None:
    filled["installments"].insert(asset_id="due", due_date=date(2030, 1, 10), payment_method="PIX")
    details = warehouse.table_id("gold", "payment_analytics_detailed")

    def status() -> str:
        [row] = warehouse.query(f"SELECT payment_status FROM `{details}` WHERE asset_id = 'due'")
        found: str = row["payment_status"]
        return found

    carry_all(settings, "2030-01-10")
    assert status() == "PENDING"
    manifest = run(settings, "installments", "2030-01-11")

    assert manifest.sources["installments"].rows["01_extract"] == 0
    assert status() == "OVERDUE"

    states = StateStore(settings, lake)
    before = states.read_source("installments")

    manifest = run(settings, "installments", "2030-01-11")

    assert manifest.status == "no_changes"
    assert list(manifest.steps["installments"]) == ["01_extract"]
    after = states.read_source("installments")
    read_before, read_after = known(before.watermark), known(after.watermark)
    assert known(read_after.snapshot_at) > known(read_before.snapshot_at)
    assert after.committed_seq == before.committed_seq
    assert known(after.last_run).status == "no_changes"
    assert after.lease is None

    def built_by_others(gold: GoldState) -> GoldState:
        return gold.model_copy(update={"fingerprint": "of other rules"})

    states.change_gold("gold.change_rules", built_by_others)
    assert run(settings, "installments", "2030-01-11").status == "done"
    assert states.read_gold().fingerprint == project_fingerprint()


def test_a_failed_extract_moves_no_watermark_and_leaves_a_manifest(
    settings: Settings, lake: Lake, filled: dict[str, Table]
) -> None:
    carry(settings, "cnpj_ws")
    states = StateStore(settings, lake)
    before = states.read_source("cnpj_ws")
    filled["cnpj_ws"].execute("ALTER TABLE {table} DROP COLUMN zip_code")

    with pytest.raises(SourceError, match="zip_code"):
        run(settings, "cnpj", layers=["bronze"])

    after = states.read_source("cnpj_ws")
    assert after.watermark == before.watermark
    assert known(after.last_run).status == "failed"
    assert "zip_code" in known(known(after.last_run).error)
    assert after.lease is None
    manifest = read_manifest(lake, known(after.last_run).run_id)
    assert manifest.status == "failed"
    assert "zip_code" in known(manifest.error)


@pytest.mark.usefixtures("filled")
def test_gold_that_failed_is_mended_by_the_next_run_though_nothing_changed(
    settings: Settings, lake: Lake
) -> None:
    died = start(settings, "cnpj", **dying_at("gold.build:before"))
    assert "04_transform did not finish" in died.communicate(timeout=180)[0]
    assert died.returncode == 1
    states = StateStore(settings, lake)
    assert states.read_source("cnpj_ws").committed_seq > 0
    assert states.read_gold().business_date is None

    manifest = run(settings, "cnpj")

    assert manifest.sources["cnpj_ws"].rows["01_extract"] == 0
    assert manifest.status == "done"
    assert states.read_gold().seen["cnpj_ws"] == states.read_source("cnpj_ws").committed_seq
    # What the run that died had left in bronze has waited for this one.
    assert manifest.lags["cnpj_ws"].at_least > 0


def start(settings: Settings, job: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """The command line as a user or scheduler starts it, from whichever Python."""
    return subprocess.Popen(
        [sys.executable, str(COMMAND), "run", job, *arguments],
        env={**os.environ, **settings.variables(), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def locked(filled: dict[str, Table]) -> Iterator[Table]:
    """The company table in the hands of a test, which no run can read until it lets go."""
    table = filled["cnpj_ws"]
    table.connection.autocommit = False
    table.execute("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    yield table
    release(table)


def release(table: Table) -> None:
    table.connection.rollback()
    table.connection.autocommit = True


@pytest.fixture
def running(settings: Settings, locked: Table) -> Iterator[subprocess.Popen[str]]:
    """A run that holds its source and waits in PostgreSQL for a lock that the test holds."""
    process = start(settings, "full", CREDIX_RETRY_SECONDS="120")
    states = StateStore(settings, Lake(settings, Effects()))
    wait_until(lambda: states.read_source("cnpj_ws").lease is not None)
    wait_until(lambda: waits_for_lock(locked))
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


def kernels_of(process: int) -> list[psutil.Process]:
    """The kernels that a process has started and not ended."""
    children = psutil.Process(process).children(recursive=True)
    return [child for child in children if KERNEL_NAME in (child.name(), *child.cmdline())]


def waits_for_lock(table: Table) -> bool:
    with table.connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass",
            [table.name],
        )
        return bool(known(cursor.fetchone())[0])


def wait_until(is_true: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.1)


def test_of_sixteen_that_start_at_once_one_runs_and_the_others_name_it(
    settings: Settings, warehouse: Warehouse, lake: Lake, locked: Table
) -> None:
    variables = {"CREDIX_RETRY_SECONDS": "120", "CREDIX_SOURCE_WAIT_SECONDS": "0"}
    started = [start(settings, "cnpj", *TO_BRONZE, **variables) for _ in range(16)]
    wait_until(lambda: sum(process.poll() is not None for process in started) == 15, 120)
    (winner,) = [process for process in started if process.poll() is None]
    wait_until(lambda: waits_for_lock(locked))
    holder = known(StateStore(settings, lake).read_source("cnpj_ws").lease)
    assert holder.pid == winner.pid
    for process in started:
        if process is not winner:
            assert holder.run_id in process.communicate()[0]
            assert process.returncode == 3
    assert {path.parent.name for path in settings.run_dir.glob("*/*.ipynb")} == {holder.run_id}

    release(locked)

    winner.communicate(timeout=120)
    assert winner.returncode == 0
    assert bronze_rows(warehouse, locked) == locked.rows()


def test_a_killed_run_gives_its_source_free_at_once_and_the_next_one_carries_the_rows(
    settings: Settings,
    warehouse: Warehouse,
    locked: Table,
    running: subprocess.Popen[str],
) -> None:
    wait_until(lambda: len(kernels_of(running.pid)) == 2)
    kernels = psutil.Process(running.pid).children(recursive=True)
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait(60) == -signal.SIGKILL
    assert not psutil.wait_procs(kernels, timeout=20)[1], "a kernel outlived its run"
    release(locked)

    manifest = run(settings, "cnpj", layers=["bronze"])

    assert manifest.status == "done"
    assert bronze_rows(warehouse, locked) == locked.rows()


def test_sigterm_ends_a_run_with_a_manifest_and_without_children(
    settings: Settings, lake: Lake, running: subprocess.Popen[str]
) -> None:
    wait_until(lambda: len(kernels_of(running.pid)) == 2)
    kernels = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 1
    assert not psutil.wait_procs(kernels, timeout=10)[1]
    state = StateStore(settings, lake).read_source("cnpj_ws")
    assert state.lease is None
    assert known(state.last_run).status == "failed"
    assert known(state.last_run).error == "Ended by SIGTERM."


class Failing(Silent):
    """A reporter that raises once the first step is done, as a fault of the product would."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.finished: list[str] = []

    def step_finished(self, *_: Any) -> None:
        raise self.error

    def run_finished(self, manifest: Manifest, places: Places) -> None:
        assert places.folder.name == manifest.run_id
        self.finished.append(manifest.status)


@pytest.mark.usefixtures("filled")
def test_a_failed_run_keeps_its_parts_until_the_next_one_has_carried_them(
    settings: Settings,
) -> None:
    with pytest.raises(SourceError):
        Pipeline(
            settings, Request(find_job("cnpj"), None, {}, {}), Failing(SourceError("gone"))
        ).run()
    [part] = settings.run_dir.rglob("cnpj_ws/parts/*.parquet")

    manifest = run(settings, "cnpj", layers=["bronze"])

    assert manifest.status == "done"
    assert not part.exists()
    assert not list(settings.run_dir.rglob("*.parquet"))


@pytest.mark.usefixtures("filled")
def test_a_run_that_was_overtaken_leaves_no_parts(settings: Settings) -> None:
    with pytest.raises(FenceError):
        Pipeline(
            settings, Request(find_job("cnpj"), None, {}, {}), Failing(FenceError("late"))
        ).run()
    assert not list(settings.run_dir.rglob("*.parquet"))


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_an_error_nobody_expected_leaves_a_manifest_and_the_source_free(
    settings: Settings, lake: Lake, kind: type[BaseException]
) -> None:
    password = settings.postgres_password.get_secret_value()
    reporter = Failing(kind(f"no such key: {password}"))

    with pytest.raises(kind) as raised:
        Pipeline(settings, Request(find_job("cnpj"), None, {}, {}), reporter).run()

    assert raised.value is reporter.error
    assert reporter.finished == ["failed"]
    state = StateStore(settings, lake).read_source("cnpj_ws")
    assert state.lease is None
    assert known(state.last_run).status == "failed"
    manifest = read_manifest(lake, known(state.last_run).run_id)
    assert manifest.status == "failed"
    assert manifest.error == known(state.last_run).error
    assert manifest.error == (
        "Interrupted by the user."
        if kind is KeyboardInterrupt
        else f"{kind.__name__}: no such key: [REDACTED]"
    )


@pytest.mark.usefixtures("carried")
def test_a_run_that_cannot_be_archived_has_failed_with_that_error(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> str:
        raise SettingsError("Access to the archive is denied.")

    monkeypatch.setattr("credix.pipeline.pipeline.archive_run", refuse)

    with pytest.raises(SettingsError, match="archive is denied"):
        run(settings, "cnpj")

    state = StateStore(settings, lake).read_source("cnpj_ws")
    assert state.lease is None
    assert known(state.last_run).status == "failed"
    assert "archive is denied" in known(known(state.last_run).error)


@pytest.mark.parametrize("error", [TransientError("no answer"), KeyboardInterrupt()])
def test_a_run_whose_manifest_says_done_does_not_report_that_it_failed(
    settings: Settings, lake: Lake, carried: None, error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert carried is None

    def lose_the_answer(*arguments: Any) -> str:
        archive_run(*arguments)
        raise error

    monkeypatch.setattr("credix.pipeline.pipeline.archive_run", lose_the_answer)
    reporter = Told()
    if isinstance(error, CredixError):
        assert run_with(reporter, settings, "cnpj").status == "done"
        assert reporter.ends == ["done"]
    else:
        with pytest.raises(type(error)):
            run_with(reporter, settings, "cnpj")
    last = known(StateStore(settings, lake).read_source("cnpj_ws").last_run)
    assert last.status == read_manifest(lake, last.run_id).status == "done"


class Told(Silent):
    """A reporter that keeps the warnings and how the run ended."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.ends: list[str] = []

    def warned(self, message: str) -> None:
        self.warnings.append(message)

    def run_finished(self, manifest: Manifest, places: Places) -> None:
        assert places.folder.name == manifest.run_id
        self.ends.append(manifest.status)


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs whose notebooks have nothing to do: what is tested is what happens around them."""
    monkeypatch.setattr(Pipeline, "_carry", lambda *_: "done")
    monkeypatch.setattr(Pipeline, "_report", lambda *_: None)


@pytest.mark.usefixtures("carried")
def test_a_report_that_fails_after_the_release_is_what_manifest_and_state_say(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    states, reporter = StateStore(settings, lake), Told()
    before: list[Any] = []

    def fail(_: Pipeline) -> None:
        before.append(states.read_source("cnpj_ws"))
        raise StepError("05_report failed.")

    monkeypatch.setattr(Pipeline, "_report", fail)
    with pytest.raises(StepError, match="05_report"):
        run_with(reporter, settings, "cnpj")

    [at_report] = before
    assert (at_report.lease, known(at_report.last_run).status) == (None, "done")
    last = known(states.read_source("cnpj_ws").last_run)
    assert (last.status, last.error) == ("failed", "05_report failed.")
    assert read_manifest(lake, last.run_id).status == "failed"
    assert reporter.ends == ["failed"]


@pytest.mark.usefixtures("carried")
def test_alerts_and_pages_keep_no_other_run_waiting(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = StateStore(settings, lake)
    leases: list[Any] = []

    def slow_webhook(*_: Any) -> list[str]:
        leases.append(states.read_source("cnpj_ws").lease)
        return []

    monkeypatch.setattr("credix.pipeline.pipeline.follow_up", slow_webhook)
    run(settings, "cnpj")
    with pytest.raises(SourceError):
        monkeypatch.setattr(Pipeline, "_carry", refuse_to_carry)
        run(settings, "cnpj")
    assert leases == [None, None]


def refuse_to_carry(*_: Any) -> None:
    raise SourceError("The table is gone.")


@pytest.mark.usefixtures("carried")
def test_a_source_that_cannot_be_released_does_not_turn_a_good_run_into_a_failed_one(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise StateError("The state file changes too often.")

    monkeypatch.setattr("credix.pipeline.locks.release", refuse)
    reporter = Told()

    manifest = run_with(reporter, settings, "cnpj")

    assert reporter.ends == [manifest.status] == ["done"]
    assert read_manifest(lake, manifest.run_id).status == "done"
    [warning] = reporter.warnings
    assert "cnpj_ws could not be released" in warning


@pytest.mark.usefixtures("carried")
def test_a_source_that_cannot_be_given_free_does_not_hide_why_the_run_failed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise StateError("The state file cannot be read.")

    monkeypatch.setattr("credix.pipeline.locks.release", refuse)
    monkeypatch.setattr(Pipeline, "_carry", refuse_to_carry)

    with pytest.raises(SourceError, match="The table is gone"):
        run(settings, "cnpj")


def read_manifest(lake: Lake, run_id: str) -> Manifest:
    path = f"{paths_of(lake.settings).run(run_id)}manifest.json"
    return parse_manifest(known(lake.read_text(lake.settings.archive_bucket, path))[0])
