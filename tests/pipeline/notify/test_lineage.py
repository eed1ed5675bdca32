"""Runs as OpenLineage events."""

from typing import Any

from openlineage.client.serde import Serde

from credix.clients.dbt.project import layer_of_models
from credix.core.results import Manifest
from credix.core.settings import Settings
from credix.pipeline.notify.lineage import describe_lineage
from tests.pipeline.manifests import extracted, manifest, node, source, transformed

LAYERS = {"installments": "bronze", "cnpj_ws": "bronze", "quarantine": "silver", "details": "gold"}


def carried(**facts: Any) -> Manifest:
    """A run that carried installments to bronze, then built gold."""
    built = (node("installments", rows=120), node("unique_asset_id", kind="test"))
    facts = {
        "sources": {"installments": source(120)},
        "steps": {
            "installments": {"01_extract": extracted(), "04_transform": transformed(nodes=built)},
            "gold": {
                "04_transform": transformed(nodes=(node("quarantine"), node("details", rows=7)))
            },
        },
        **facts,
    }
    return manifest(**facts)


def told(settings: Settings, run: Manifest, summary: str = "") -> list[dict[str, Any]]:
    return [Serde.to_dict(event) for event in describe_lineage(settings, run, LAYERS, summary)]


def names(datasets: list[dict[str, Any]]) -> list[str]:
    return [f"{dataset['namespace']}/{dataset['name']}" for dataset in datasets]


def test_a_source_leads_from_its_table_to_bronze_and_bronze_to_silver_and_gold(
    settings: Settings,
) -> None:
    start, end, gold_start, gold_end = told(settings, carried())

    server = f"postgres://{settings.postgres_host}:{settings.postgres_port}"
    table = f"{settings.postgres_db}.{settings.postgres_schema}.business_case_installments"
    own = f"bigquery/{settings.gcp_project}.{settings.prefix}"
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert names(start["inputs"]) == names(end["inputs"]) == [f"{server}/{table}"]
    assert names(end["outputs"]) == [f"{own}_bronze.installments"]
    assert end["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 120
    assert names(gold_start["inputs"]) == [f"{own}_bronze.installments", f"{own}_bronze.cnpj_ws"]
    assert names(gold_end["outputs"]) == [f"{own}_silver.quarantine", f"{own}_gold.details"]
    fields = end["inputs"][0]["facets"]["schema"]["fields"]
    assert {"name": "asset_id", "type": "STRING"}.items() <= fields[0].items()


def test_both_events_of_a_job_are_of_one_run_that_another_run_does_not_share(
    settings: Settings,
) -> None:
    ids = [event["run"]["runId"] for event in told(settings, carried())]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    other = carried(run_id="another")
    assert not set(ids) & {event["run"]["runId"] for event in told(settings, other)}


def test_a_run_without_changes_tells_nothing(settings: Settings) -> None:
    assert told(settings, carried(status="no_changes")) == []


def test_a_source_that_never_reached_bronze_has_failed(settings: Settings) -> None:
    steps = {"installments": {"01_extract": extracted()}}
    run = carried(status="failed", steps=steps)
    start, end = told(settings, run, "02_land failed.")
    assert start["job"]["name"] == f"{settings.prefix}.installments"
    assert (start["eventType"], end["eventType"]) == ("START", "FAIL")
    assert end["run"]["facets"]["errorMessage"]["message"] == "02_land failed."
    assert end["outputs"] == []


def test_it_is_the_source_that_failed_before_it_had_any_result(settings: Settings) -> None:
    quiet = {"cnpj_ws": {"01_extract": extracted(status="no_changes")}}
    sources = {"cnpj_ws": source(0), "installments": source(0)}
    for steps, failed in ((quiet, "installments"), ({}, "cnpj_ws")):
        run = carried(status="failed", sources=sources, steps=steps)
        events = told(settings, run, "01_extract failed.")
        assert {event["job"]["name"] for event in events} == {f"{settings.prefix}.{failed}"}
        assert [event["eventType"] for event in events] == ["START", "FAIL"]


def test_gold_that_was_built_stays_built_where_the_report_failed(settings: Settings) -> None:
    events = told(settings, carried(status="failed"), "05_report failed.")
    assert [event["eventType"] for event in events] == ["START", "COMPLETE"] * 2


def test_where_every_source_reached_bronze_gold_has_failed(settings: Settings) -> None:
    steps = {"installments": carried().steps["installments"]}
    run = carried(status="failed", steps=steps)
    events = told(settings, run, "A test of gold failed.")
    assert [(event["job"]["name"].rpartition(".")[2], event["eventType"]) for event in events] == [
        ("installments", "START"),
        ("installments", "COMPLETE"),
        ("gold", "START"),
        ("gold", "FAIL"),
    ]


def test_every_model_of_dbt_has_a_layer() -> None:
    assert set(layer_of_models().values()) == {"bronze", "silver", "gold"}
    assert layer_of_models()["installments"] == "bronze"
