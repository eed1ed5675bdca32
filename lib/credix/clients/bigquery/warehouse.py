"""BigQuery: load jobs with names of their own, queries with a bound, tables as Arrow."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pyarrow as pa
from google.api_core import exceptions as google
from google.cloud import bigquery

from credix.clients.bigquery.errors import job_error, query_error, translated
from credix.clients.bigquery.job_attempts import LoadAttempts, QueryAttempts
from credix.clients.bigquery.job_labels import JobLabels
from credix.clients.bigquery.job_records import (
    is_measured_by,
    is_over_limit,
    limit_error,
    load_record,
    query_record,
)
from credix.clients.bigquery.reasons import fault_of
from credix.clients.credentials import google_credentials, open_session
from credix.clients.effects import Effects
from credix.core.column_types import Column
from credix.core.results import Fault
from credix.core.settings import Settings

T = TypeVar("T")

Parameter = str | int | Sequence[int] | Sequence[str]


class Warehouse:
    """The datasets of one environment. Every write is an effect with a name."""

    def __init__(
        self,
        settings: Settings,
        effects: Effects,
        labels: Callable[[], JobLabels] | None = None,
    ) -> None:
        self.settings, self.effects, self.labels = settings, effects, labels
        with translated("BigQuery"):
            credentials = google_credentials(settings)
            self._client = bigquery.Client(
                project=settings.gcp_project,
                credentials=credentials,
                _http=open_session(settings, credentials),
                location=settings.bigquery_location,
                client_options=(
                    {"api_endpoint": settings.bigquery_endpoint}
                    if settings.bigquery_endpoint
                    else None
                ),
            )
        self._once: dict[str, Any] = {"timeout": settings.google_timeout_seconds, "retry": None}

    def table_id(self, layer: str, table: str) -> str:
        return f"{self.settings.gcp_project}.{self.settings.dataset(layer)}.{table}"

    def create_dataset(self, layer: str) -> None:
        name = self.settings.dataset(layer)
        dataset = bigquery.Dataset(f"{self.settings.gcp_project}.{name}")
        dataset.location = self.settings.bigquery_location
        self._perform(
            "warehouse.create_dataset",
            name,
            lambda: self._client.create_dataset(dataset, exists_ok=True, **self._once),
        )

    def require_dataset(self, layer: str) -> None:
        """Raise SettingsError when there is no such dataset, or it is not open to us."""
        name = f"{self.settings.gcp_project}.{self.settings.dataset(layer)}"
        self._read(name, lambda: self._client.get_dataset(name, **self._once))

    def create_table(self, layer: str, table: str, columns: Sequence[Column]) -> None:
        """Create an empty table unless it exists."""
        target = self.table_id(layer, table)
        definition = bigquery.Table(target, schema=schema_fields(columns))
        self._perform(
            "warehouse.create_table",
            target,
            lambda: self._client.create_table(definition, exists_ok=True, **self._once),
        )

    def add_columns(self, layer: str, table: str, columns: Sequence[Column]) -> None:
        """Add NULLABLE columns after the table's own; those that it has stay as they are."""
        target = self.table_id(layer, table)

        def extend() -> None:
            definition = self._client.get_table(target, **self._once)
            known = {field.name for field in definition.schema}
            new = schema_fields(column for column in columns if column.name not in known)
            if new:
                definition.schema = [*definition.schema, *new]
                self._client.update_table(definition, ["schema"], **self._once)

        self._perform("warehouse.add_columns", target, extend)

    def execute(self, effect: str, target: str, sql: str) -> None:
        """Run a statement that changes a table."""
        attempts = self._attempts(effect, sql, {})
        self._perform(effect, target, lambda: self._run(effect, target, attempts))

    def columns(self, layer: str, table: str) -> list[Column] | None:
        """Return the columns of a table as BigQuery has them; None when there is no such table."""
        target = self.table_id(layer, table)

        def find() -> bigquery.Table | None:
            try:
                return self._client.get_table(target, **self._once)
            except google.NotFound:
                return None

        found = self._read(target, find)
        if found is None:
            return None
        return [
            Column(field.name, field.field_type, field.mode, field.description or "")
            for field in found.schema
        ]

    def tables(self, layer: str, prefix: str) -> list[str]:
        """Return names of the tables of a layer that begin with a prefix."""
        return sorted(self.tables_created(layer, prefix))

    def tables_created(self, layer: str, prefix: str) -> dict[str, datetime]:
        """Return when each table of a layer that begins with a prefix was created (UTC)."""
        dataset = f"{self.settings.gcp_project}.{self.settings.dataset(layer)}"
        listed = self._read(dataset, lambda: list(self._client.list_tables(dataset, **self._once)))
        return {
            table.table_id: table.created for table in listed if table.table_id.startswith(prefix)
        }

    def load_parquet(
        self,
        effect: str,
        uris: Sequence[str],
        layer: str,
        table: str,
        columns: Sequence[Column],
        job_id: str,
    ) -> int:
        """Overwrite a table with Parquet files under an enforced schema; the rows loaded.

        The job's id is the caller's, so that a repeated call asks for the job that was submitted.
        Raises DataError when BigQuery refuses the files, and nothing else may say so of them:
        SettingsError where access or a thing is missing, TransientError when it fails for now.
        """
        target = self.table_id(layer, table)
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            schema=schema_fields(columns),
            job_timeout_ms=self._job_timeout_ms,
            labels=self._labels(effect),
        )

        attempts = LoadAttempts(self._client, list(uris), target, config, job_id, self._job_timeout)
        job = self._perform(effect, target, lambda: attempts.run(self._once))
        if job.error_result is not None:
            raise job_error(target, job.error_result)
        is_measured = is_measured_by(self.settings)
        self.effects.jobs.append(load_record(job, effect, target, is_measured=is_measured))
        return int(job.output_rows or 0)

    def expire(self, layer: str, table: str, hours: int) -> None:
        """Let BigQuery drop the table after some hours, whatever becomes of this run."""
        target = self.table_id(layer, table)

        def set_expiration() -> None:
            definition = bigquery.Table(target)
            definition.expires = datetime.now(UTC) + timedelta(hours=hours)
            self._client.update_table(definition, ["expires"], **self._once)

        self._perform("warehouse.expire", target, set_expiration)

    def drop(self, layer: str, table: str) -> None:
        target = self.table_id(layer, table)
        self._perform(
            "warehouse.drop",
            target,
            lambda: self._client.delete_table(target, not_found_ok=True, **self._once),
        )

    def query(self, sql: str, **parameters: Parameter) -> list[dict[str, Any]]:
        """Return the rows of a small result as dictionaries."""
        return self.query_arrow(sql, **parameters).to_pylist()

    def query_arrow(self, sql: str, **parameters: Parameter) -> pa.Table:
        """Return the result as Arrow, over REST: some hundred thousand rows are the most."""
        attempts = self._attempts("query", sql, parameters)

        def read() -> pa.Table:
            rows = self._run("query", "BigQuery", attempts)
            found: pa.Table = rows.to_arrow(create_bqstorage_client=False)
            return found

        return self._read("BigQuery", read)

    def _attempts(self, step: str, sql: str, parameters: Mapping[str, Parameter]) -> QueryAttempts:
        """Return a statement under the bound of the settings."""
        config = bigquery.QueryJobConfig(
            query_parameters=[query_parameter(*named) for named in parameters.items()],
            maximum_bytes_billed=self.settings.maximum_bytes_billed,
            job_timeout_ms=self._job_timeout_ms,
            labels=self._labels(step),
        )
        return QueryAttempts(self._client, sql, config, self._job_timeout)

    def _run(self, name: str, target: str, attempts: QueryAttempts) -> Any:
        """Return the rows of a statement, which is recorded.

        Raises CostError when BigQuery refuses it because of the bound, DataError when it cannot
        compute it.
        """
        try:
            job, rows = attempts.run(self._once)
        except google.GoogleAPICallError as error:
            if is_over_limit(error):
                raise limit_error(self.settings, target, str(error.message)) from None
            if fault_of(error) is Fault.INVALID:
                raise query_error(target, error) from None
            raise
        record = query_record(job, name, target, is_measured=is_measured_by(self.settings))
        self.effects.jobs.append(record)
        return rows

    def _labels(self, step: str) -> dict[str, str]:
        """Return what a job says of the run that sends it; nothing where no run does."""
        return self.labels().at(step) if self.labels else {}

    @property
    def _job_timeout(self) -> float:
        return float(self.settings.notebook_timeout_seconds)

    @property
    def _job_timeout_ms(self) -> int:
        """Return BigQuery's bound: a job without a waiting process must not change a table."""
        return round(1000 * self._job_timeout)

    def _perform(self, effect: str, target: str, action: Callable[[], T]) -> T:
        with translated(target):
            return self.effects.perform(effect, target, action)

    def _read(self, target: str, action: Callable[[], T]) -> T:
        with translated(target):
            return self.effects.read(target, action)


def query_parameter(
    name: str, value: Parameter
) -> bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter:
    """Return a text, a number, or a list of either for `IN UNNEST(@name)`."""
    if isinstance(value, str):
        return bigquery.ScalarQueryParameter(name, "STRING", value)
    if isinstance(value, int):
        return bigquery.ScalarQueryParameter(name, "INT64", value)
    is_text = any(isinstance(item, str) for item in value)
    return bigquery.ArrayQueryParameter(name, "STRING" if is_text else "INT64", list(value))


def schema_fields(columns: Iterable[Column]) -> list[bigquery.SchemaField]:
    return [
        bigquery.SchemaField(
            column.name, column.type, mode=column.mode, description=column.description
        )
        for column in columns
    ]
