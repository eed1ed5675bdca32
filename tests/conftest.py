"""What every test may ask for: a running stack, and settings for a corner of it of its own."""

import gc
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from pydantic import SecretStr

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.clients.provision import provision_buckets, provision_warehouse
from credix.core.contracts import load_source, source_names
from credix.core.settings import Settings, own_variables
from credix.workbook.show import NOT_SHOWN
from credix_local import stack
from credix_local.cluster import choose_home
from credix_local.files import remove
from credix_local.postgres import DATABASE, USER, PostgresServer
from tests.receiver import Receiver, receiving
from tests.tables import Table

# Transactions of autovacuum hold back, as any open one does, what a run may call seen; and nobody
# pulls the plug of a test.
QUIET = ("autovacuum = off", "fsync = off")
YOUNG_OBJECTS = 100_000
# What the local BigQuery writes down of a statement that Google's analyzer cannot judge, and the
# functions in statements of tests of which that is known.
NOT_JUDGED = "googlesql.not_judged"
BEYOND_THE_ANALYZER = ("contains_substr",)
# The fixtures that start servers, and where tests start them themselves, or linters that take long.
SERVERS = {"stack_folder", "own_server", "own_folder", "new_folder", "live"}
SLOW_FOLDERS = {"credix_local/test_stack", "infrastructure"}
# Files whose tests are whole runs, and how many seconds they take: each worker begins with some of
# them, so that none is left with one when the others have ended.
LONGEST = {
    "pipeline/test_pipeline.py": 230,
    "pipeline/test_personal_data.py": 94,
    "oracle/test_deaths.py": 91,
    "operations/erasure/test_erase.py": 88,
    "notebooks/test_in_a_browser.py": 88,
    "report/test_report.py": 62,
    "pipeline/test_failures.py": 62,
    "pipeline/test_gold.py": 62,
    "pipeline/test_from_landing.py": 60,
    "operations/sources/test_add.py": 37,
}


def pytest_configure(config: pytest.Config) -> None:
    """Among the many small objects of dbt, looking for garbage took a twentieth of the time."""
    gc.set_threshold(YOUNG_OBJECTS)
    config.addinivalue_line("markers", "server: starts a server; `make check` leaves it out")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that `make check` leaves out; give every worker some of the longest first."""
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        if asked & SERVERS or any(part in item.nodeid for part in SLOW_FOLDERS):
            item.add_marker("server")
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = longest_first(items, workers)


def longest_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Return the items so that each worker's equal share of them begins with long files, whole."""
    long: list[list[pytest.Item]] = [[] for _ in range(workers)]
    seconds = [0] * workers
    for file, duration in LONGEST.items():
        # To the one with the least so far; a file's tests share what they set up.
        worker = seconds.index(min(seconds))
        seconds[worker] += duration
        long[worker].extend(item for item in items if f"{file}::" in item.nodeid)
    taken = {item for share in long for item in share}
    others = iter([item for item in items if item not in taken])
    size = len(items) // workers
    shares = [[*share, *islice(others, max(size - len(share), 0))] for share in long]
    return [*chain.from_iterable(shares), *others]


@pytest.fixture(scope="session")
def stack_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a running stack, one per worker.

    A transaction that a test leaves open would hold back the runs of all tests on its server.
    """
    folder = tmp_path_factory.mktemp("stack")
    stack.start(folder, holds_jobs=True)
    settings = Settings.parse(stack.variables(folder))
    with closing(connected(settings)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for setting in QUIET:
            cursor.execute(f"ALTER SYSTEM SET {setting}")
        cursor.execute("SELECT pg_reload_conf()")
    provision_buckets(Lake(settings, Effects()))
    yield folder
    log = (folder / "logs" / "bigquery.log").read_text("utf-8")
    stack.reset(folder)
    unjudged = {line for line in log.splitlines() if NOT_JUDGED in line}
    others = [line for line in unjudged if not any(name in line for name in BEYOND_THE_ANALYZER)]
    assert not others, "Google's analyzer could not say whether BigQuery accepts these"


@pytest.fixture(scope="session")
def variables(stack_folder: Path) -> dict[str, str]:
    """How to reach the running stack."""
    return stack.variables(stack_folder)


@pytest.fixture(scope="session")
def prefix() -> str:
    """The prefix of a worker: dbt parses its project anew for each other one, for seconds."""
    return f"t_{uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a worker's run folders lie; dbt's parse is kept beside them."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def settings(
    variables: dict[str, str], prefix: str, runs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Settings whose schema and run folder are this test's alone, also in its children.

    The prefix is the worker's, whose servers no other uses, and it is emptied before each test.
    """
    name = f"t_{uuid4().hex[:12]}"
    own = {
        "POSTGRES_SCHEMA": name,
        "CREDIX_PREFIX": prefix,
        "CREDIX_RUN_DIR": str(runs_folder / name),
        "CREDIX_RETRY_SECONDS": "5",
    }
    made = Settings.parse({**variables, **own})
    empty(made)
    # What the shell that runs the tests has set is none of theirs.
    for variable in own_variables(os.environ):
        monkeypatch.delenv(variable)
    for variable, value in made.variables().items():
        monkeypatch.setenv(variable, value)
    yield made
    with connected(made) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
    # A run goes on where something could not be shown; in a test that is a fault of ours.
    executed = list(made.run_dir.rglob("*.ipynb"))
    assert [path.name for path in executed if NOT_SHOWN in path.read_text("utf-8")] == []


def empty(settings: Settings) -> None:
    """Delete all files and datasets whose names hold the prefix, a sandbox's too."""
    lake, warehouse = Lake(settings, Effects()), Warehouse(settings, Effects())
    for bucket in (
        settings.lake_bucket,
        settings.archive_bucket,
        settings.report_bucket,
        settings.runs_bucket,
    ):
        for blob in lake.objects(bucket, ""):
            if settings.prefix in blob.name:
                lake.blob(blob).delete()
    for dataset in warehouse._client.list_datasets():
        if settings.prefix in dataset.dataset_id:
            warehouse._client.delete_dataset(dataset, delete_contents=True, not_found_ok=True)


@pytest.fixture
def warehouse(settings: Settings) -> Warehouse:
    """Datasets and reference tables, empty."""
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


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of messages on loopback."""
    with receiving() as made:
        yield made


@pytest.fixture
def log_settings(settings: Settings) -> Iterator[Settings]:
    """The settings of a test that captures by log: its slots and publications go with it."""
    yield settings
    name = f"credix_{settings.prefix}_"
    with connected(settings) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
            "WHERE starts_with(slot_name, %s)",
            [name],
        )
        cursor.execute("SELECT pubname FROM pg_publication WHERE starts_with(pubname, %s)", [name])
        for (publication,) in cursor.fetchall():
            cursor.execute(f"DROP PUBLICATION {publication}")


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server of this module's own, whose settings may be changed."""
    folder = tmp_path_factory.mktemp("server")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = choose_home(folder, f"t-{uuid4().hex[:12]}")
    server = PostgresServer(folder, {"postgres": port}, "secret", home)
    server.start()
    yield server
    server.stop()
    remove(home)


@pytest.fixture
def own_settings(own_server: PostgresServer, settings: Settings) -> Iterator[Settings]:
    """Settings for the table and a slot on that server."""
    made = settings.model_copy(
        update={
            "postgres_host": "127.0.0.1",
            "postgres_port": own_server.port,
            "postgres_db": DATABASE,
            "postgres_user": USER,
            "postgres_password": SecretStr("secret"),
        }
    )
    yield made
    if not own_server.find():
        own_server.start()
    with closing(connected(made)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("ALTER SYSTEM RESET ALL")
        cursor.execute("SELECT pg_reload_conf()")
        cursor.execute(f"DROP SCHEMA IF EXISTS {made.postgres_schema} CASCADE")
        cursor.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
    own_server.stop()
    own_server.start()


def connected(settings: Settings) -> psycopg2.extensions.connection:
    return psycopg2.connect(
        host=settings.postgres_host,
        port=settings.postgres_port,
        dbname=settings.postgres_db,
        user=settings.postgres_user,
        password=settings.postgres_password.get_secret_value(),
    )
