"""The project as a whole: contracts, unit tests, portability, and a build from a plain shell."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgpack
import pytest
import yaml

from credix.clients.dbt.project import sources_of_gold
from credix.core.contracts import load_source, source_names
from tests.dbt.medallion import PROJECT, RUN_VALUES, Medallion
from tests.dbt.rows import company, installment
from tests.dbt.sql_lint import find_unportable

BRONZE_COLUMNS = ["_changed_at", "_loaded_at", "_source_table"]
DDL_TYPES = {"INTEGER": "int64", "FLOAT": "float64"}


def read_models() -> dict[str, dict[str, Any]]:
    """The description of every model, by name."""
    files = sorted(PROJECT.glob("models/**/*.yml"))
    return {
        model["name"]: model
        for path in files
        for model in yaml.safe_load(path.read_text("utf-8")).get("models", [])
    }


def read_seeds() -> dict[str, dict[str, Any]]:
    """The description of every seed, by name."""
    return {
        seed["name"]: seed
        for path in sorted(PROJECT.glob("seeds/**/*.yml"))
        for seed in yaml.safe_load(path.read_text("utf-8"))["seeds"]
    }


@pytest.mark.parametrize("source", source_names())
def test_bronze_is_described_as_the_contract_says(source: str) -> None:
    described = [
        (column["name"], column["data_type"], column["description"])
        for column in read_models()[source]["columns"]
        if column["name"] not in BRONZE_COLUMNS
    ]

    assert described == [
        (column.name, DDL_TYPES.get(column.type, column.type.lower()), column.description)
        for column in load_source(source).landing_columns
    ]


def test_every_model_stands_beside_its_description_which_begins_with_the_grain() -> None:
    for path in PROJECT.glob("models/**/*.sql"):
        assert path.with_suffix(".yml").exists(), path.name
    for path in PROJECT.glob("seeds/**/*.csv"):
        assert path.with_suffix(".yml").exists(), path.name
    for name, model in {**read_models(), **read_seeds()}.items():
        assert model["description"].startswith("One row per "), name
        assert all(column.get("description") for column in model["columns"]), name


def test_every_claim_begins_with_fails_if() -> None:
    for path in (PROJECT / "tests").rglob("*.sql"):
        text = path.read_text("utf-8").lstrip("-{# \n")
        assert text.startswith("Fails if "), path.name


def test_a_build_has_the_described_columns_and_its_parse_what_the_product_relies_on(
    medallion: Medallion,
) -> None:
    medallion.refresh("2025-03-10", with_views=True)

    assert_columns_are_those_described(medallion)
    parsed = (medallion.target / "partial_parse.msgpack").read_bytes()
    cache = msgpack.loads(parsed, strict_map_key=False)
    assert_no_value_of_a_run_is_known(cache)
    assert_gold_reads_the_sources_that_dbt_knows_it_reads(cache)


def assert_columns_are_those_described(medallion: Medallion) -> None:
    for name, model in read_models().items():
        layer = "bronze" if name in source_names() else "gold"
        if name.endswith("_clean") or name in ("quarantine", "touched_companies"):
            layer = "silver"
        table = medallion.client.get_table(f"{medallion.prefix}_{layer}.{name}")
        assert [field.name for field in table.schema] == [
            column["name"] for column in model["columns"]
        ], name


def test_unit_tests_of_the_business_rules_pass(medallion: Medallion) -> None:
    medallion.make("bronze", "silver", "gold")

    outcome = medallion.dbt("test", "--select", "test_type:unit")

    assert len(outcome.statuses) >= 13
    assert {name: status for name, status in outcome.statuses.items() if status != "pass"} == {}


def assert_no_value_of_a_run_is_known(cache: dict[str, Any]) -> None:
    """What a run tells dbt must not have it parse the project anew."""
    assert "CREDIX_PREFIX" in cache["env_vars"]
    assert not set(RUN_VALUES) & set(cache["env_vars"])


def assert_gold_reads_the_sources_that_dbt_knows_it_reads(cache: dict[str, Any]) -> None:
    nodes = cache["nodes"]
    layers = {name: node["original_file_path"].split("/")[1] for name, node in nodes.items()}
    read = {
        parent.rpartition(".")[2]
        for name, node in nodes.items()
        if node["resource_type"] == "model" and layers[name] != "bronze"
        for parent in node["depends_on"]["nodes"]
        if layers.get(parent) == "bronze"
    }
    assert sources_of_gold() == sorted(read)


def test_a_plain_shell_builds_with_variables_alone_and_what_the_local_server_vouches_for(
    medallion: Medallion, tmp_path: Path
) -> None:
    tables = [
        medallion.stage("cnpj_ws", company()),
        medallion.stage("installments", installment("a")),
    ]
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "GCP_PROJECT": medallion.variables["GCP_PROJECT"],
        "BIGQUERY_EMULATOR_HOST": medallion.variables["BIGQUERY_EMULATOR_HOST"],
        "CREDIX_PREFIX": medallion.prefix,
        "CREDIX_DBT_TEMP_TABLE": " ".join(tables),
        "CREDIX_DBT_RECONCILED_SEQ": "1",
    }
    folders = ["--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs")]
    command = [
        sys.executable,
        "-m",
        "dbt.cli.main",
        "build",
        "--exclude-resource-type",
        "unit_test",
    ]

    done = subprocess.run(
        [*command, *folders],
        cwd=PROJECT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "Completed successfully" in done.stdout or "WARN" in done.stdout
    assert medallion.row("gold", "payment_analytics_detailed", "true")["asset_id"] == "a"
    sent = sorted(tmp_path.glob("target/run/**/*.sql"))
    assert len(sent) > 20
    found = {path.name: find_unportable(path.read_text("utf-8")) for path in sent}
    assert {name: findings for name, findings in found.items() if findings} == {}
