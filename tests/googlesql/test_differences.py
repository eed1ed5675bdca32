"""The list of values that differ, in `reference/sql-differences.md`, is true of both engines."""

import re

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from credix.core.settings import PROJECT_DIR
from credix_local.bigquery.googlesql.engine import StatementRefusedError
from tests.credix_local.servers import ONCE
from tests.googlesql.evaluator import Evaluator, shown

ROW = re.compile(
    r"^\| `(?P<expression>.+)` \| `?(?P<google>.+?)`? \| `?(?P<local>.+?)`? \|$", re.MULTILINE
)
LIST = (PROJECT_DIR / "docs" / "reference" / "sql-differences.md").read_text("utf-8")
DIFFERENCES = [(row["expression"], row["google"], row["local"]) for row in ROW.finditer(LIST)]


@pytest.mark.parametrize(("expression", "google", "local"), DIFFERENCES)
def test_a_listed_value_still_differs_as_it_says(
    expression: str, google: str, local: str, evaluator: Evaluator, client: bigquery.Client
) -> None:
    sql = f"SELECT {expression} AS v"
    try:
        wanted = shown(evaluator.query(sql).rows[0][0])
    except StatementRefusedError:
        wanted = "error"
    try:
        (row,) = client.query(sql, **ONCE).result(retry=None, job_retry=None)
        found = shown(row[0])
    except BadRequest:
        found = "error"
    assert (wanted, found) == (google, local)
    assert wanted != found


def test_the_list_is_there() -> None:
    assert len(DIFFERENCES) >= 10
