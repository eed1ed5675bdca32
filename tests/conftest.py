"""What every test may ask for: one running stack, and settings for a corner of it of its own."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from filelock import FileLock

from credix.clients.effects import Effects
from credix.clients.lake import Lake
from credix.clients.warehouse import Warehouse
from credix.local import stack
from credix.settings import Settings
from credix.sources import load_source, source_names
from credix.steps.provision import provision_buckets, provision_warehouse
from tests.tables import Table


@pytest.fixture(scope="session")
def stack_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Path]:
    """The folder of a running stack; all workers share it, the last one to leave deletes it."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    folder, users = shared / "stack", shared / "stack-users"
    users.mkdir(exist_ok=True)
    with FileLock(shared / "stack-users.lock"):
        (users / worker_id).touch()
        stack.start(folder)
        provision_buckets(Lake(Settings.parse(stack.variables(folder)), Effects()))
    yield folder
    with FileLock(shared / "stack-users.lock"):
        (users / worker_id).unlink()
        if not any(users.iterdir()):
            stack.reset(folder)


@pytest.fixture(scope="session")
def variables(stack_folder: Path) -> dict[str, str]:
    """How to reach the running stack."""
    return stack.variables(stack_folder)


@pytest.fixture
def settings(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Settings whose schema, prefix and run folder are this test's alone, also in its children."""
    name = f"t_{uuid4().hex[:12]}"
    own = {
        "POSTGRES_SCHEMA": name,
        "CREDIX_PREFIX": name,
        "CREDIX_RUN_DIR": str(tmp_path / "runs"),
        "CREDIX_RETRY_SECONDS": "5",
    }
    made = Settings.parse({**variables, **own})
    for variable, value in made.variables().items():
        monkeypatch.setenv(variable, value)
    yield made
    with connected(made) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")


@pytest.fixture
def warehouse(settings: Settings) -> Warehouse:
    """Datasets and reference tables of the test's own prefix."""
    made = Warehouse(settings, Effects(settings.retry_seconds))
    provision_warehouse(made)
    return made


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake(settings, Effects(settings.retry_seconds))


@pytest.fixture
def tables(settings: Settings) -> Iterator[dict[str, Table]]:
    """The source tables, empty, in the test's own schema."""
    connection = connected(settings)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {settings.postgres_schema}")
    made = {
        name: Table(connection, settings.postgres_schema, load_source(name))
        for name in source_names()
    }
    for table in made.values():
        table.create()
    yield made
    connection.close()


def connected(settings: Settings) -> psycopg2.extensions.connection:
    return psycopg2.connect(
        host=settings.postgres_host,
        port=settings.postgres_port,
        dbname=settings.postgres_db,
        user=settings.postgres_user,
        password=settings.postgres_password.get_secret_value(),
    )
