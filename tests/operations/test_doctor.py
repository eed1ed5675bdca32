"""Planted faults: each is found, and its advice mends it."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.contracts import load_source
from credix.core.errors import SettingsError
from credix.core.settings import Settings
from credix.operations import doctor, environment
from credix.operations.doctor import (
    FAILS,
    SKIPPED,
    WELL,
    Finding,
    check_clock,
    check_disk,
    check_elementary,
    check_folder,
    check_packages,
    check_python,
    check_stack,
    examine,
    pinned_versions,
)
from credix.operations.environment import provision
from tests.tables import Table


@pytest.fixture
def healthy(settings: Settings, tables: dict[str, Table], warehouse: Warehouse) -> Settings:
    assert tables
    assert warehouse
    return settings


def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(None, lambda _: settings)}


def failed(settings: Settings) -> dict[str, str]:
    return {name: one.found for name, one in findings(settings).items() if one.status == FAILS}


def test_what_is_well_has_no_advice(healthy: Settings) -> None:
    found = findings(healthy)
    assert failed(healthy) == {}
    assert {found[name].status for name in ("postgres", "clock", "datasets", "disk")} == {WELL}


@pytest.mark.parametrize("running", [(3, 10), (3, 14), (4, 0)])
def test_another_python_is_found(running: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match="make install PYTHON="):
        check_python(running)


def test_a_package_that_is_missing_is_found(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("no-such-package==1.0 \\\n    --hash=sha256:00\n", "utf-8")
    with pytest.raises(SettingsError, match=r"no-such-package. make install"):
        check_packages(lock)


def test_a_package_of_another_version_is_told(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("pytest==0.0.1\n", "utf-8")
    assert check_packages(lock).startswith("!1 of 1 differ from the lock: pytest")


def test_lines_for_another_machine_are_left_out() -> None:
    text = (
        "one==1.0 ; python_version < '3'\ntwo==2.0 ; python_version > '3' \\\n    --hash=x\n# c\n"
    )
    assert pinned_versions(text) == {"two": "2.0"}


def test_servers_that_the_settings_name_need_no_stack() -> None:
    assert check_stack(None).startswith("not needed")


@pytest.mark.parametrize(
    ("states", "taken", "told"),
    [
        ({}, {}, "was never started: ./run_pipeline.py up"),
        (
            {"gcs": "running", "BigQuery": "stopped"},
            {},
            "BigQuery is stopped: ./run_pipeline.py up",
        ),
        ({"gcs": "not answering"}, {}, "gcs is not answering: ./run_pipeline.py up"),
        ({"gcs": "stopped"}, {"gcs": 4443}, "port 4443 of gcs is taken by another process: "),
    ],
)
def test_a_stack_that_is_not_up_is_found(
    states: dict[str, str], taken: dict[str, int], told: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(told)):
        check_stack((states, taken))


def test_settings_that_are_wrong_end_the_examination() -> None:
    def refuse(_: str | None) -> Settings:
        raise SettingsError("POSTGRES_HOST is missing. Start the embedded stack first.")

    last = list(examine(None, refuse))[-1]
    assert (last.check, last.status) == ("settings", FAILS)
    assert "Start the embedded stack" in last.found


def test_a_folder_that_is_a_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("", "utf-8")
    with pytest.raises(SettingsError, match="is a file: move it away"):
        check_folder(tmp_path / "runs" / "below")


def test_a_folder_that_cannot_be_written_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # root may write everywhere: the answer of the system is what is at stake.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SettingsError, match="cannot be written"):
        check_folder(tmp_path)


def test_a_disk_that_is_too_small_for_a_slice_is_found(settings: Settings) -> None:
    greedy = settings.model_copy(update={"slice_bytes": 1 << 62})
    with pytest.raises(SettingsError, match="make room, or lower it"):
        check_disk(greedy)


@pytest.mark.parametrize("skew", [-31, 31])
def test_a_clock_that_is_off_is_found(skew: int) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"{skew:+.0f} s off")):
        check_clock(1000.0, 1000.0 + skew)


def test_a_wrong_password_is_found_and_what_hangs_on_it_is_skipped(healthy: Settings) -> None:
    wrong = healthy.model_copy(update={"postgres_password": SecretStr("wrong-canary")})
    found = findings(wrong)
    assert found["postgres"].status == FAILS
    assert "wrong-canary" not in found["postgres"].found
    assert found["source installments"].status == SKIPPED


def test_a_server_that_is_down_is_found(healthy: Settings) -> None:
    nowhere = healthy.model_copy(update={"postgres_port": 1, "retry_seconds": 0})
    assert "postgres" in failed(nowhere)


FAULTS_OF_TABLES = {
    "it is gone": ("DROP TABLE {table}", "business_case_installments"),
    "a column is gone": ("ALTER TABLE {table} DROP COLUMN due_date", "no column due_date"),
    "a type differs": (
        "ALTER TABLE {table} ALTER COLUMN due_date TYPE text",
        "due_date is text, the contract says DATE",
    ),
    "a column is new": ("ALTER TABLE {table} ADD COLUMN extra text", "evolve installments"),
}


@pytest.mark.parametrize("fault", FAULTS_OF_TABLES)
def test_a_table_that_does_not_fit_its_contract_is_found(
    healthy: Settings, tables: dict[str, Table], fault: str
) -> None:
    sql, told = FAULTS_OF_TABLES[fault]
    tables["installments"].execute(sql)
    found = failed(healthy)
    assert set(found) == {"source installments"}
    assert told in found["source installments"]


def test_a_key_that_is_not_unique_is_found(healthy: Settings, tables: dict[str, Table]) -> None:
    table = tables["cnpj_ws"]
    table.execute("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS business_case_cnpj_ws_pkey")
    table.insert(cnpj="1")
    table.insert(cnpj="1")
    assert "add a primary key" in failed(healthy)["source cnpj_ws"]


def test_a_bucket_that_is_missing_is_found(healthy: Settings) -> None:
    lost = healthy.model_copy(update={"runs_bucket": "no-such-bucket-4711"})
    assert "no-such-bucket-4711" in failed(lost)["bucket runs"]


def test_datasets_that_are_missing_are_found_and_provision_makes_them(
    settings: Settings, tables: dict[str, Table]
) -> None:
    assert tables
    assert "provision" in failed(settings)["datasets"]
    provision(settings)
    assert failed(settings) == {}


def lose_reference(warehouse: Warehouse) -> None:
    warehouse.drop("temp", "installments_schema")


def lose_column(warehouse: Warehouse) -> None:
    table = warehouse.table_id("temp", "installments_schema")
    warehouse.execute("test.drop", table, f"ALTER TABLE `{table}` DROP COLUMN due_date")


def make_bronze_of_another_type(warehouse: Warehouse) -> None:
    columns = load_source("installments").landing_columns
    other = [replace(c, type="STRING") if c.name == "due_date" else c for c in columns]
    warehouse.create_table("bronze", "installments", other)


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (lose_reference, "is not there"),
        (lose_column, "due_date (missing, contract DATE)"),
        (
            make_bronze_of_another_type,
            "bronze.installments differs from the contract: due_date (STR",
        ),
    ],
)
def test_a_warehouse_that_differs_from_the_contract_is_found(
    healthy: Settings, warehouse: Warehouse, plant: Callable[[Warehouse], None], told: str
) -> None:
    plant(warehouse)
    found = failed(healthy)
    assert set(found) == {"contract installments"}
    assert told in found["contract installments"]


def test_credentials_that_are_missing_are_found(
    healthy: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise SettingsError("No Google credentials: log in.")

    monkeypatch.setattr(doctor, "Lake", refuse)
    found = findings(healthy)
    assert found["credentials"].status == FAILS
    assert found["bucket lake"].status == SKIPPED


def test_packages_of_elementary_that_do_not_fit_are_found(
    settings: Settings, tmp_path: Path
) -> None:
    named = settings.model_copy(update={"elementary_packages": tmp_path})
    with pytest.raises(SettingsError, match="no dbt package"):
        check_elementary(named)


def test_an_examination_changes_nothing(healthy: Settings, lake: Lake) -> None:
    before = {blob.name for blob in lake.objects(healthy.lake_bucket, healthy.prefix)}
    datasets = Warehouse(healthy, Effects()).tables("temp", "")
    findings(healthy)
    assert {blob.name for blob in lake.objects(healthy.lake_bucket, healthy.prefix)} == before
    assert Warehouse(healthy, Effects()).tables("temp", "") == datasets
    assert not healthy.run_dir.exists()


def test_a_shell_that_knows_the_servers_of_an_earlier_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `env` exported stays when a server moves to another port, and outweighs the stack's."""
    (tmp_path / "stack.env").write_text("POSTGRES_PORT=2\nPOSTGRES_PASSWORD=of-this-stack\n")
    monkeypatch.setenv("CREDIX_LOCAL_DIR", str(tmp_path))
    monkeypatch.setenv("POSTGRES_PORT", "1")
    monkeypatch.setenv("POSTGRES_PASSWORD", "of-another-server")
    environment.require_current_shell("local")

    monkeypatch.setenv("POSTGRES_PASSWORD", "of-this-stack")
    with pytest.raises(SettingsError, match=r"POSTGRES_PORT=1 \(now 2\).*unset POSTGRES_PORT"):
        environment.require_current_shell("local")
    found = {finding.check: finding for finding in examine("local")}
    assert "POSTGRES_PORT=1 (now 2)" in found["settings"].found

    monkeypatch.delenv("POSTGRES_PASSWORD")
    monkeypatch.setenv("POSTGRES_HOST", "another.server.example")
    environment.require_current_shell("local")
    monkeypatch.delenv("POSTGRES_HOST")
    with pytest.raises(SettingsError, match=r"POSTGRES_PORT=1 \(now 2\)"):
        environment.require_current_shell("local")


def test_servers_that_are_down_are_one_fault_and_not_eight(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "stack_health", lambda _: ({"PostgreSQL": "stopped"}, {}))
    found = {finding.check: finding.status for finding in examine(None, lambda _: settings)}
    assert found["stack"] == "failed"
    assert {found[name] for name in ("postgres", "buckets", "datasets")} == {"skipped"}
