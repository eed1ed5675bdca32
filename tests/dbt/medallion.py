"""A medallion of the test's own: reference tables, hashed deltas, dbt in process, queries."""

import shutil
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from credix.clients.dbt.call import call_dbt
from credix.core.contracts import load_source, source_names
from credix.core.paths import DATASETS
from credix.core.settings import PROJECT_DIR
from tests.credix_local.servers import ONCE

PROJECT = PROJECT_DIR / "dbt" / "business_case"
RUN_VALUES = (
    "CREDIX_DBT_TEMP_TABLE",
    "CREDIX_DBT_BUSINESS_DATE",
    "CREDIX_DBT_ATTEMPT",
    "CREDIX_DBT_RECONCILED_SEQ",
    "CREDIX_DBT_CHANGES",
    "CREDIX_DBT_VIEWS",
)


@dataclass
class Outcome:
    """What one dbt command did: status and message by node, and where it wrote its SQL."""

    success: bool
    message: str
    statuses: dict[str, str]
    messages: dict[str, str]
    target: Path

    def executed(self, model: str) -> str:
        return next(self.target.glob(f"run/*/models/**/{model}.sql")).read_text("utf-8")


@dataclass
class Medallion:
    """Four datasets of one test and the dbt project on top of them."""

    client: bigquery.Client
    prefix: str
    variables: dict[str, str]
    target: Path
    monkeypatch: pytest.MonkeyPatch
    deltas: int = field(default=0)

    def table(self, layer: str, name: str) -> str:
        return f"`{self.client.project}.{self.prefix}_{layer}.{name}`"

    def query(self, sql: str) -> list[dict[str, Any]]:
        job = self.client.query(sql, **ONCE)
        return [dict(row.items()) for row in job.result(retry=None, job_retry=None)]

    def rows(self, layer: str, name: str, order: str) -> list[dict[str, Any]]:
        return self.query(f"select * from {self.table(layer, name)} order by {order}")

    def row(self, layer: str, name: str, condition: str) -> dict[str, Any]:
        (found,) = self.query(f"select * from {self.table(layer, name)} where {condition}")
        return found

    def create(self) -> None:
        """The datasets, and the empty reference tables that Terraform would make."""
        for layer in DATASETS[:4]:
            self.client.create_dataset(f"{self.prefix}_{layer}")
        for source in source_names():
            self.create_table(f"{source}_schema", source)

    def drop(self) -> None:
        for layer in DATASETS[:4]:
            self.client.delete_dataset(
                f"{self.prefix}_{layer}", delete_contents=True, not_found_ok=True
            )

    def create_table(self, name: str, source: str) -> None:
        columns = load_source(source).landing_columns
        fields = [
            bigquery.SchemaField(column.name, column.type, column.mode, None, column.description)
            for column in columns
        ]
        address = f"{self.client.project}.{self.prefix}_temp.{name}"
        self.client.create_table(bigquery.Table(address, schema=fields))

    def stage(self, source: str, *rows: dict[str, Any]) -> str:
        """A hashed temp table with these rows; its name."""
        self.deltas += 1
        name = f"{source}_{self.deltas:012x}"
        self.create_table(name, source)
        shapes: dict[tuple[str, ...], list[str]] = {}
        for row in rows:
            values = ", ".join(literal(value) for value in row.values())
            shapes.setdefault(tuple(row), []).append(f"({values})")
        for columns, tuples in shapes.items():
            target = f"{self.table('temp', name)} ({', '.join(columns)})"
            self.query(f"insert into {target} values {', '.join(tuples)}")
        return name

    def dbt(self, *arguments: str, **values: str) -> Outcome:
        """Run dbt in this process, with the variables of a run and nothing left from another."""
        for name in RUN_VALUES:
            self.monkeypatch.delenv(name, raising=False)
        for name, value in {**self.variables, "CREDIX_PREFIX": self.prefix, **values}.items():
            self.monkeypatch.setenv(name, value)
        shutil.rmtree(self.target / "run", ignore_errors=True)
        options = ["--quiet", "--no-write-json"]
        options += ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
        options += ["--target-path", str(self.target), "--log-path", str(self.target / "logs")]
        result = call_dbt(arguments, options, {})
        executed = getattr(result.result, "results", None) or []
        nodes = [one for one in executed if one.node.resource_type != "operation"]
        return Outcome(
            success=result.success,
            message=str(result.exception or ""),
            statuses={node.node.name: str(node.status) for node in nodes},
            messages={node.node.name: str(node.message) for node in nodes},
            target=self.target,
        )

    def build(self, *selectors: str, **values: str) -> Outcome:
        """Build as a run does: without unit tests. Fails the test if dbt fails."""
        outcome = self.try_build(*selectors, **values)
        assert outcome.success, (outcome.message, outcome.messages)
        return outcome

    def try_build(self, *selectors: str, **values: str) -> Outcome:
        skip = ["--exclude-resource-type", "unit_test"]
        return self.dbt("build", *skip, "--select", *selectors, **values)

    def merge(self, source: str, *rows: dict[str, Any], **values: str) -> Outcome:
        """Stage rows and merge them into bronze, without the tests of bronze."""
        return self.merge_table(source, self.stage(source, *rows), **values)

    def merge_table(self, source: str, table: str, **values: str) -> Outcome:
        arguments = ["run", "--select", f"bronze.{source}"]
        outcome = self.dbt(*arguments, CREDIX_DBT_TEMP_TABLE=table, **values)
        assert outcome.success, (outcome.message, outcome.messages)
        return outcome

    def refresh(self, business_date: str, *, with_views: bool = False) -> None:
        """Compute silver and gold as of a day, without their tests, and history only if asked."""
        views = [] if with_views else ["--exclude", "config.materialized:derived"]
        self.make("silver", "gold", *views, CREDIX_DBT_BUSINESS_DATE=business_date)

    def make(self, *selectors: str, **values: str) -> Outcome:
        """Build tables, seeds among them, without any test."""
        tables = ["--resource-type", "model", "--resource-type", "seed"]
        outcome = self.dbt("build", *tables, "--select", *selectors, **values)
        assert outcome.success, (outcome.message, outcome.messages)
        return outcome


def literal(value: object) -> str:
    """A value as BigQuery writes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"numeric '{value}'"
    if isinstance(value, datetime):
        return f"timestamp '{value:%Y-%m-%d %H:%M:%S}+00'"
    if isinstance(value, date):
        return f"date '{value}'"
    return f"'{value}'" if isinstance(value, str) else str(value)
