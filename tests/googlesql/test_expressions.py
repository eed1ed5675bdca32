"""Expressions have the same values and types on the local BigQuery as by Google's evaluator."""

from typing import Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from credix.capture.compare.canonical_text import bigquery_digest, bigquery_text
from credix.core.column_types import Column
from credix_local.bigquery.googlesql.engine import StatementRefusedError
from tests.credix_local.servers import ONCE
from tests.googlesql.evaluator import Evaluator, shown
from tests.googlesql.expressions import EXPRESSIONS, REFUSED
from tests.googlesql.nasty import TABLES


def select(expressions: tuple[str, ...], source: str) -> str:
    """One query for many expressions: a request each would take longer than the answers."""
    columns = ", ".join(f"({one}) AS e{number}" for number, one in enumerate(expressions))
    return f"SELECT {columns}{source}"


def run_locally(client: bigquery.Client, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Types of the columns, and the rows."""
    found = client.query(sql, **ONCE).result(retry=None, job_retry=None)
    types = [f"{field.field_type} {field.mode}" for field in found.schema]
    return types, [row.values() for row in found]


@pytest.mark.parametrize("table", EXPRESSIONS)
def test_expressions_have_the_values_and_types_of_google(
    table: str, evaluator: Evaluator, client: bigquery.Client, nasty: str
) -> None:
    assert differences(table, EXPRESSIONS[table], evaluator, client, nasty) == []


@pytest.mark.parametrize("table", TABLES)
def test_canonical_texts_and_digests_are_those_of_google(
    table: str, evaluator: Evaluator, client: bigquery.Client, nasty: str
) -> None:
    columns = [Column(field.name, field.type) for field in TABLES[table].fields]
    expressions = (*map(bigquery_text, columns), bigquery_digest(columns))
    assert differences(table, expressions, evaluator, client, nasty) == []


def differences(
    table: str,
    expressions: tuple[str, ...],
    evaluator: Evaluator,
    client: bigquery.Client,
    dataset: str,
) -> list[str]:
    """One line for each expression that differs, with the first row that shows it."""
    tables = {table: TABLES[table]} if table in TABLES else {}
    source = f" FROM {table} ORDER BY id" if tables else ""
    google = evaluator.query(select(expressions, source), tables)
    source = f" FROM `{dataset}.{table}` ORDER BY id" if tables else ""
    types, rows = run_locally(client, select(expressions, source))
    found = []
    for place, expression in enumerate(expressions):
        field = google.fields[place]
        if f"{field.type} {field.mode}" != types[place]:
            found.append(f"{expression}: {field.type} locally {types[place]}")
        for number, (one, other) in enumerate(zip(google.rows, rows, strict=True)):
            if shown(one[place]) != shown(other[place]):
                given = tables[table].rows[number] if tables else ()
                values = f"{shown(one[place])} locally {shown(other[place])}"
                found.append(f"{expression} of {given}: {values}")
                break
    return found


def test_what_google_refuses_at_run_time_is_an_error_locally(
    evaluator: Evaluator, client: bigquery.Client
) -> None:
    allowed = []
    for expression in REFUSED:
        with pytest.raises(StatementRefusedError):
            evaluator.query(f"SELECT {expression} AS v")
        try:
            run_locally(client, f"SELECT {expression} AS v")
            allowed.append(expression)
        except BadRequest:
            pass
    assert allowed == []


def test_a_failed_query_is_an_error_of_its_request(client: bigquery.Client) -> None:
    with pytest.raises(BadRequest, match=r"(?i)division by zero") as caught:
        client.query_and_wait("SELECT 1 / x FROM UNNEST([0]) AS x", **ONCE)
    assert caught.value.errors[0]["reason"] == "invalidQuery"
