"""Fixtures for tests of the dbt project: one prefix a worker, fresh datasets a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from tests.dbt.medallion import Medallion


@pytest.fixture(scope="session")
def dbt_target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One target folder and one prefix a worker, so that dbt parses the project only once."""
    return tmp_path_factory.mktemp("dbt-target")


@pytest.fixture
def medallion(
    variables: dict[str, str],
    dbt_target: Path,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Medallion]:
    client = bigquery.Client(
        project=variables["GCP_PROJECT"],
        credentials=AnonymousCredentials(),
        location="southamerica-east1",
        client_options={"api_endpoint": variables["BIGQUERY_EMULATOR_HOST"]},
    )
    ours = Medallion(client, prefix, {**variables, "CREDIX_ENV": "local"}, dbt_target, monkeypatch)
    # What another test of this worker has left goes first.
    ours.drop()
    ours.create()
    yield ours
    ours.drop()
