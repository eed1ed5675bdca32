"""What runs have sent to the local BigQuery, and how wide its columns are, in one JSON file.

The statements of the first and the latest run of the local stack are taken from the server's own
list of jobs, so that nothing that was sent is left out.
"""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from credix.core.paths import DATASETS
from credix.core.settings import Settings

RECORD = Path(__file__).parent / "cost_statements.json"
NODE = re.compile(r'"dbt_node": "([^"]+)"')
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
HASHED = re.compile(r"_[0-9a-f]{12}\b")
# BigQuery, "Data type sizes": logical bytes of a value that is not NULL; a NULL has none.
SIZES = {"INTEGER": 8, "DATE": 8, "TIMESTAMP": 8, "BOOLEAN": 1, "NUMERIC": 16, "FLOAT": 8}


def record() -> None:
    """Write down the first and the latest run; run the pipeline twice, with changes, before."""
    settings = Settings.load("local")
    client = bigquery.Client(
        project=settings.gcp_project,
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": settings.bigquery_endpoint},
    )
    manifests = [
        json.loads(path.read_text("utf-8"))
        for path in sorted(settings.run_dir.glob("*-full-*/manifest.json"))
    ]
    manifests = [manifest for manifest in manifests if manifest["status"] == "done"]
    jobs = [job for job in client.list_jobs(max_results=100_000) if job.job_type == "query"]
    runs = {"first": manifests[0], "later": manifests[-1]}
    found = {
        "statements": {name: statements_of(runs[name], jobs, settings) for name in runs},
        "tables": {
            f"{layer}.{table.table_id}": measure(client, table.reference)
            for layer in DATASETS[:4]
            for table in client.list_tables(settings.dataset(layer))
            if not HASHED.search(table.table_id)
        },
    }
    RECORD.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")


def statements_of(
    manifest: dict[str, Any], jobs: list[Any], settings: Settings
) -> list[dict[str, str]]:
    """Every query between the run's start and its end, with its step, each text once per step."""
    owners = {
        job["job_id"]: f"{step} {owner}"
        for owner, steps in manifest["steps"].items()
        for step, result in steps.items()
        for job in result.get("jobs", [])
    }
    start, end = (datetime.fromisoformat(manifest[name]) for name in ("started_at", "finished_at"))
    found = {}
    for job in jobs:
        if job.created is None or not start <= job.created <= end:
            continue
        node = NODE.search(job.query)
        name = node[1] if node else "step"
        step = owners.get(job.job_id) or step_of(name)
        sql = COMMENT.sub("", job.query).strip()
        sql = HASHED.sub("_dbt", sql.replace(f"{settings.prefix}_", ""))
        found[step, name, sql] = {"step": step, "name": name, "sql": sql}
    return [found[key] for key in sorted(found)]


def step_of(name: str) -> str:
    """The step of one of dbt's statements that no result of a node names."""
    bronze = re.fullmatch(r"model\.business_case\.(cnpj_ws|installments)", name)
    return f"04_transform {bronze[1] if bronze else 'gold'}"


def measure(client: bigquery.Client, table: Any) -> dict[str, Any]:
    """Rows, and the average logical bytes of each column."""
    fields = client.get_table(table).schema
    sums = ", ".join(f"{size_sql(field)} AS `{field.name}`" for field in fields)
    [row] = client.query(f"SELECT count(*) AS n__rows, {sums} FROM `{table}`").result()
    values = dict(row.items())
    rows = values.pop("n__rows")
    widths = {name: round((value or 0) / max(rows, 1), 2) for name, value in values.items()}
    return {"rows": rows, "widths": widths}


def size_sql(field: bigquery.SchemaField) -> str:
    name = f"`{field.name}`"
    if field.field_type == "STRING":
        return f"sum(2 + byte_length({name}))"
    size = SIZES.get(field.field_type, 8)
    return f"{size} * count({name})"
