"""What a run read and wrote, as OpenLineage events (openlineage.io, RunEvent 2-0-2).

A job for each source, from its table in PostgreSQL to its table in bronze, and one from bronze to
silver and gold. Tables are named as the standard names them, so that the graph joins what other
tools say of the same tables. Counts and columns, no value.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from credix.core.contracts import load_source
from credix.core.jobs import GOLD_STEP
from credix.core.results import Manifest, StepResult, TransformResult
from credix.core.settings import Settings

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset, RunEvent
    from openlineage.client.generated.base import OutputDatasetFacet, RunFacet

PRODUCER = "urn:credix"
BIGQUERY = "bigquery"
BRONZE, GOLD = "bronze", "gold"


def describe_lineage(
    settings: Settings, manifest: Manifest, layers: Mapping[str, str], summary: str
) -> list["RunEvent"]:
    """Return START and end of each job that the run began; none where nothing had changed.

    `layers` has the layer of every dbt model, `summary` why the run failed without a value of a
    row. Where it failed, the first source that has not come to its end did, else gold.
    """
    if manifest.status == "no_changes":
        return []
    sources, steps = manifest.sources, manifest.steps
    written = models_of(manifest.results, layers)
    broken = None
    if manifest.status == "failed":
        broken = next((name for name in sources if not has_ended(steps.get(name, {}))), GOLD)
    describe = partial(make_events, settings, manifest)
    events: list[RunEvent] = []
    for name in sources:
        made = [make_output(settings, BRONZE, name, written[name])] if name in written else []
        if made or name == broken:
            error = summary if name == broken else None
            events += describe(name, [describe_table(settings, name)], made, error)
    bronze = [name for name, layer in layers.items() if layer == BRONZE]
    read = [make_input(BIGQUERY, table_name(settings, BRONZE, name)) for name in bronze]
    built = {model: rows for model, rows in written.items() if layers[model] != BRONZE}
    outputs = [make_output(settings, layers[name], name, rows) for name, rows in built.items()]
    if outputs or broken == GOLD:
        # What was built is there, whatever has failed after it.
        events += describe(GOLD, read, outputs, None if outputs else summary)
    return events


def has_ended(steps: Mapping[str, StepResult]) -> bool:
    """Return True where nothing had changed, or the last cycle has a result of 04."""
    if not steps:
        return False
    name, result = list(steps.items())[-1]
    return name.startswith(GOLD_STEP) or result.status == "no_changes"


def models_of(results: Iterable[StepResult], layers: Mapping[str, str]) -> dict[str, int | None]:
    """Return the models that dbt has written in this run, each with its rows where dbt says so."""
    built = [result for result in results if isinstance(result, TransformResult)]
    return {
        node.name: node.rows
        for result in built
        for node in result.nodes
        if node.kind == "model" and node.status == "success" and node.name in layers
    }


def make_events(
    settings: Settings,
    manifest: Manifest,
    name: str,
    inputs: list["InputDataset"],
    outputs: list["OutputDataset"],
    error: str | None = None,
) -> list["RunEvent"]:
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import error_message_run, job_type_job

    facets: dict[str, RunFacet] = {}
    if error:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(error, "python")
    job = Job(
        f"credix-{settings.env}",
        f"{settings.prefix}.{name}",
        {"jobType": job_type_job.JobTypeJobFacet("BATCH", "CREDIX", "JOB")},
    )
    run_id = str(uuid5(NAMESPACE_URL, f"{PRODUCER}#{manifest.run_id}/{name}"))
    start = RunEvent(
        eventTime=manifest.started_at.isoformat(),
        producer=PRODUCER,
        run=Run(run_id),
        job=job,
        eventType=RunState.START,
        inputs=inputs,
    )
    end = RunEvent(
        eventTime=manifest.finished_at.isoformat(),
        producer=PRODUCER,
        run=Run(run_id, facets),
        job=job,
        eventType=RunState.FAIL if error else RunState.COMPLETE,
        inputs=inputs,
        outputs=outputs,
    )
    return [start, end]


def describe_table(settings: Settings, name: str) -> "InputDataset":
    """Return the table of a source in PostgreSQL with the columns of its contract."""
    source = load_source(name)
    table = f"{settings.postgres_db}.{source.table_in(settings.postgres_schema)}"
    columns = [(column.name, column.type) for column in source.columns]
    server = f"postgres://{settings.postgres_host}:{settings.postgres_port}"
    return make_input(server, table, columns)


def make_input(
    namespace: str, name: str, columns: list[tuple[str, str]] | None = None
) -> "InputDataset":
    from openlineage.client.event_v2 import InputDataset
    from openlineage.client.facet_v2 import schema_dataset

    fields = [schema_dataset.SchemaDatasetFacetFields(*column) for column in columns or []]
    schema = schema_dataset.SchemaDatasetFacet(fields)
    return InputDataset(namespace, name, facets={"schema": schema} if fields else {})


def make_output(settings: Settings, layer: str, table: str, rows: int | None) -> "OutputDataset":
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    counted = statistics.OutputStatisticsOutputDatasetFacet(rowCount=rows)
    facets: dict[str, OutputDatasetFacet] = {} if rows is None else {"outputStatistics": counted}
    return OutputDataset(BIGQUERY, table_name(settings, layer, table), outputFacets=facets)


def table_name(settings: Settings, layer: str, table: str) -> str:
    return f"{settings.gcp_project}.{settings.dataset(layer)}.{table}"
