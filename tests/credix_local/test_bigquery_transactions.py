"""Transactions of scripts on the local BigQuery: one snapshot, all or nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

Query = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def accounts(query: Query, dataset: str) -> str:
    """A table with one row of amount 1."""
    query(f"CREATE TABLE `{dataset}.accounts` AS SELECT 'a' AS name, 1 AS amount")
    return f"`{dataset}.accounts`"


def test_a_transaction_commits_everything_and_counts_its_rows(
    query: Query, client: bigquery.Client, accounts: str
) -> None:
    query(
        f"BEGIN TRANSACTION; UPDATE {accounts} SET amount = 2 WHERE TRUE;"
        f"INSERT INTO {accounts} (name, amount) SELECT 'b', amount + 1 FROM {accounts};"
        "COMMIT TRANSACTION"
    )

    assert query(f"SELECT * FROM {accounts} ORDER BY name") == [
        {"name": "a", "amount": 2},
        {"name": "b", "amount": 3},
    ]
    assert client.get_table(accounts.strip("`")).num_rows == 2


@pytest.mark.parametrize(
    "end",
    ["SELECT ERROR('stop'); COMMIT TRANSACTION", "ROLLBACK TRANSACTION", "SELECT 1"],
    ids=["an error", "a rollback", "the end of the script"],
)
def test_a_transaction_that_does_not_commit_changes_nothing(
    query: Query, accounts: str, end: str
) -> None:
    script = f"BEGIN TRANSACTION; UPDATE {accounts} SET amount = 2 WHERE TRUE; {end}"
    if "ERROR" in end:
        with pytest.raises(GoogleAPICallError, match="stop"):
            query(script)
    else:
        query(script)

    assert query(f"SELECT amount FROM {accounts}") == [{"amount": 1}]
    query(f"UPDATE {accounts} SET amount = 3 WHERE TRUE")
    assert query(f"SELECT amount FROM {accounts}") == [{"amount": 3}]
