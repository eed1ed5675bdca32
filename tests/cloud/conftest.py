"""Where these tests run: on the local servers, or with `make test-cloud` on Google's.

There they take the settings that are in force, a prefix of their own, and take it down at the end.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import google.auth
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.auth.exceptions import GoogleAuthError

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.clients.provision import provision_warehouse
from credix.core.errors import CredixError
from credix.core.paths import DATASETS
from credix.core.settings import Settings, own_variables
from tests.cloud.target import IS_GOOGLE, SERVER_OF_NOBODY

TIB = 1 << 40
# On demand in southamerica-east1.
USD_PER_TIB = 11.25


@pytest.fixture(scope="session")
def google_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The user's settings with a prefix of this session's own; skips where there are none."""
    try:
        made = Settings.parse({**SERVER_OF_NOBODY, **own_variables(os.environ)})
        if made.google_credentials == "default":
            google.auth.default()
    except (GoogleAuthError, CredixError) as error:
        pytest.skip(f"Google cannot be reached from here: {error}")
    if made.env not in ("dev", "stage"):
        pytest.skip(f"CREDIX_ENV is {made.env}: these tests run in dev or stage only")
    own = {"prefix": f"live_{uuid4().hex[:8]}", "run_dir": tmp_path_factory.mktemp("runs")}
    return made.model_copy(update=own)


@pytest.fixture(scope="session")
def provisioned(google_settings: Settings) -> Iterator[Settings]:
    """Datasets and reference tables, which go at the end, with the files below the prefix."""
    effects = Effects(google_settings.retry_seconds)
    warehouse, lake = Warehouse(google_settings, effects), Lake(google_settings, effects)
    try:
        provision_warehouse(warehouse)
        yield google_settings
    finally:
        for layer in DATASETS:
            name = f"{google_settings.gcp_project}.{google_settings.dataset(layer)}"
            warehouse._client.delete_dataset(name, delete_contents=True, not_found_ok=True)
        for blob in lake.objects(google_settings.lake_bucket, f"{google_settings.prefix}/"):
            lake.delete("lake.delete", google_settings.lake_bucket, blob.name)


@pytest.fixture
def live(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of the servers that are tested."""
    if not IS_GOOGLE:
        local: Settings = request.getfixturevalue("settings")
        request.getfixturevalue("warehouse")
        return local
    made: Settings = request.getfixturevalue("provisioned")
    for name, value in made.variables().items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def effects(live: Settings, cost: list[Effects]) -> Effects:
    made = Effects(live.retry_seconds)
    cost.append(made)
    return made


@pytest.fixture(scope="session")
def cost() -> Iterator[list[Effects]]:
    """The effects of every test; what they cost is printed at the end."""
    all_effects: list[Effects] = []
    yield all_effects
    if IS_GOOGLE:
        jobs = [job for effects in all_effects for job in effects.jobs]
        billed = sum(job.bytes_billed or 0 for job in jobs)
        print(f"\n{len(jobs)} jobs, {billed:,} bytes billed: USD {billed / TIB * USD_PER_TIB:.4f}")


@pytest.fixture
def live_lake(live: Settings, effects: Effects) -> Lake:
    return Lake(live, effects)


@pytest.fixture
def live_warehouse(live: Settings, effects: Effects) -> Warehouse:
    return Warehouse(live, effects)


@pytest.fixture
def table() -> str:
    """The name of a table that nobody else has."""
    return f"t_{uuid4().hex[:12]}"


@pytest.fixture
def put(live_lake: Lake, tmp_path: Path) -> Callable[[pa.Table], str]:
    """Uploads a table as Parquet; its address."""

    def upload(content: pa.Table) -> str:
        settings = live_lake.settings
        file = tmp_path / f"{uuid4().hex}.parquet"
        pq.write_table(content, file)
        path = f"{settings.prefix}/live/{file.name}"
        live_lake.upload("lake.upload", settings.lake_bucket, path, file)
        return f"gs://{settings.lake_bucket}/{path}"

    return upload
