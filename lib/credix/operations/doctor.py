"""Check that everything a run needs is there: settings, servers, contracts, versions."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from google.auth.exceptions import GoogleAuthError
from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement

from credix.capture.source_table import SourceTable
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.credentials import credentials_error, dbt_credentials, require_token
from credix.clients.effects import Effects
from credix.clients.elementary import find_packages
from credix.clients.gcs.lake import Lake
from credix.clients.postgres.connection import SourceConnection
from credix.core.contracts import load_source, source_names
from credix.core.errors import CredixError, SettingsError, SourceError, TransientError
from credix.core.jobs import all_jobs
from credix.core.paths import DATASETS, reference_table
from credix.core.settings import MEBIBYTE, PROJECT_DIR, Settings
from credix.operations import environment
from credix.pipeline.manifest import installed_version
from credix.state.running_jobs import RunningJobs, clients

# What Python itself brings, or a tool of the machine may replace.
NOT_OURS = {"pip", "setuptools", "wheel"}


def pinned_versions(text: str) -> dict[str, str]:
    """Version by package, of the lines whose marker holds here."""
    pinned = {}
    for line in text.splitlines():
        if line.startswith((" ", "#", "-")):
            continue
        try:
            requirement = Requirement(line.rstrip("\\ "))
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        except (InvalidRequirement, UndefinedEnvironmentName):
            continue
        exact = [one.version for one in requirement.specifier if one.operator == "=="]
        if applies and exact and requirement.name not in NOT_OURS:
            pinned[requirement.name] = exact[0]
    return pinned


OLDEST, NEWEST = (3, 11), (3, 13)
SECONDS_OF_SKEW = 30
START = "(./run_pipeline.py up starts the embedded servers.)"
PROVISION = "./run_pipeline.py provision (on Google: terraform apply)"
WELL, WARNS, FAILS, SKIPPED = "ok", "warning", "failed", "skipped"


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and what fixes it where it is not well."""

    check: str
    status: str
    found: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def examine(
    env: str | None = None, load: Callable[[str | None], Settings] = Settings.load
) -> Iterator[Finding]:
    """Yield every check, in the order in which one needs the other."""
    yield check("python", lambda: check_python(sys.version_info[:2]))
    yield check("packages", lambda: check_packages(PROJECT_DIR / "requirements.lock"))
    sources = check("contracts", check_contracts)
    yield sources
    stack = check("stack", lambda: check_stack(environment.stack_health(env)))
    yield stack
    try:
        environment.require_current_shell(env)
        settings = load(env)
    except SettingsError as error:
        yield Finding("settings", FAILS, str(error))
        return
    yield Finding("settings", WELL, f"environment {settings.env}, prefix {settings.prefix}")
    for name, folder in (("run folder", settings.run_dir), ("local folder", settings.local_dir)):
        yield check(name, partial(check_folder, folder))
    yield check("disk", lambda: check_disk(settings))
    if stack.status == FAILS:
        names = ("postgres", "buckets", "datasets")
        yield from skipped("the embedded servers are not all running", *names)
    elif sources.status == FAILS:
        yield from check_buckets(settings)
        yield from skipped("the contracts cannot be read", "postgres", "datasets")
    else:
        yield from check_source(settings)
        yield from check_buckets(settings)
        yield from check_warehouse(settings)
    yield check("dbt's account", lambda: check_dbt_account(settings))
    yield check("elementary", lambda: check_elementary(settings))


def check(name: str, look: Callable[[], str]) -> Finding:
    """Return a finding from a look that says what it saw or raises what is wrong.

    `!` begins a warning.
    """
    try:
        found = look()
    except TransientError as error:
        return Finding(name, FAILS, f"{error} {START}")
    except CredixError as error:
        return Finding(name, FAILS, str(error))
    return Finding(name, WARNS, found[1:]) if found.startswith("!") else Finding(name, WELL, found)


def check_python(running: tuple[int, ...]) -> str:
    text = ".".join(map(str, running))
    if not OLDEST <= tuple(running[:2]) <= NEWEST:
        raise SettingsError(
            f"Python {text} is not supported: make install PYTHON=/path/to/python3.13"
        )
    return text


def check_packages(lock: Path) -> str:
    """Return the packages of the lock; one of another version works unless proven otherwise."""
    if not lock.exists():
        return "!there is no requirements.lock to compare with"
    pinned = pinned_versions(lock.read_text("utf-8"))
    installed = {name: installed_version(name) for name in pinned}
    missing = [name for name, found in installed.items() if found is None]
    if missing:
        raise SettingsError(f"Not installed: {', '.join(missing)}. make install")
    others = [name for name, found in installed.items() if found != pinned[name]]
    if others:
        listed = ", ".join(
            f"{name} {installed[name]} (locked {pinned[name]})" for name in others[:5]
        )
        return f"!{len(others)} of {len(pinned)} differ from the lock: {listed}. make install"
    return f"{len(pinned)} as in requirements.lock"


def check_contracts() -> str:
    """Return every source that is declared, with its contract, and the times of all jobs."""
    all_jobs()
    return ", ".join(load_source(name).name for name in source_names())


def check_stack(found: tuple[Mapping[str, str], Mapping[str, int]] | None) -> str:
    """Return the embedded servers by what they do, and their ports on which others listen."""
    if found is None:
        return "not needed: the settings name the servers"
    states, taken = found
    if not states:
        raise SettingsError("The embedded stack was never started: ./run_pipeline.py up")
    down = [f"{name} is {state}" for name, state in states.items() if state != "running"]
    lost = [f"port {port} of {name} is taken by another process" for name, port in taken.items()]
    if down:
        way = "./run_pipeline.py up" + (" (it moves to free ports)" if lost else "")
        raise SettingsError(f"{', '.join(down + lost)}: {way}")
    running = f"{', '.join(states)} are running"
    if not environment.judges_statements():
        return (
            f"!{running}; BigQuery runs what Google would refuse: its SQL analyzer (zetasql, "
            "wasmtime) is not installed. make install"
        )
    return f"{running}; Google's SQL analyzer judges each statement"


def check_folder(folder: Path) -> str:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir():
        raise SettingsError(f"{existing} is a file: move it away, or name another folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise SettingsError(
            f"{existing} cannot be written: chown it to this user, or name another folder in "
            "CREDIX_RUN_DIR or CREDIX_LOCAL_DIR."
        )
    return str(folder)


def check_disk(settings: Settings) -> str:
    """Return a read may fill CREDIX_SLICE_BYTES before its first part is uploaded."""
    existing = next(path for path in (settings.run_dir, *settings.run_dir.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free / MEBIBYTE:,.0f} MiB free"
    if free < settings.slice_bytes:
        raise SettingsError(
            f"{text} in {existing}, and CREDIX_SLICE_BYTES allows "
            f"{settings.slice_bytes / MEBIBYTE:,.0f} MiB: make room, or lower it."
        )
    return text


def check_source(settings: Settings) -> Iterator[Finding]:
    """Yield the server, its clock, and each source table against its contract."""
    names = [f"source {name}" for name in source_names()]
    try:
        connection = SourceConnection(settings)
    except CredixError as error:
        yield Finding("postgres", FAILS, str(error))
        yield from skipped("the server is not reached", "clock", *names)
        return
    with connection:
        yield Finding("postgres", WELL, connection.address)
        there = connection.rows("SELECT extract(epoch FROM clock_timestamp())::float8")[0][0]
        yield check("clock", lambda: check_clock(there, datetime.now(UTC).timestamp()))
        for name in source_names():
            yield check(f"source {name}", partial(check_table, connection, name))


def check_clock(there: float, here: float) -> str:
    skew = here - there
    if abs(skew) > SECONDS_OF_SKEW:
        raise SettingsError(
            f"This machine's clock is {skew:+.0f} s off that of PostgreSQL: leases and lags would "
            "be wrong. Let NTP set it (timedatectl set-ntp true)."
        )
    return f"{skew:+.1f} s from PostgreSQL's"


def check_table(connection: SourceConnection, name: str) -> str:
    table = SourceTable(connection, load_source(name))
    source = table.source
    table.require()
    columns = table.check_columns()
    extra = [column.name for column in columns if column.contract is None]
    unknown = [column for column in extra if column not in source.ignored]
    key = table.check_key()
    if unknown and source.drift == "fail":
        raise SourceError(
            f"{table.name} has columns that the contract lacks: {', '.join(unknown)}. "
            f"./run_pipeline.py evolve {name}, or list them as ignored in sources.yml."
        )
    return key


def check_buckets(settings: Settings) -> Iterator[Finding]:
    names = {
        "lake": settings.lake_bucket,
        "archive": settings.archive_bucket,
        "report": settings.report_bucket,
        "runs": settings.runs_bucket,
    }
    try:
        lake = Lake(settings, Effects(0))
    except CredixError as error:
        yield Finding("credentials", FAILS, str(error))
        yield from skipped("without credentials", *(f"bucket {name}" for name in names))
        return
    for name, bucket in names.items():
        yield check(f"bucket {name}", partial(look_into, lake, bucket))


def look_into(lake: Lake, bucket: str) -> str:
    lake.require_bucket(bucket)
    return f"gs://{bucket}"


def check_warehouse(settings: Settings) -> Iterator[Finding]:
    """The datasets, and the reference table and bronze of each source against its contract."""
    try:
        warehouse = Warehouse(settings, Effects(0))
    except CredixError as error:
        yield Finding("datasets", FAILS, str(error))
        return
    datasets = check("datasets", lambda: check_datasets(warehouse))
    yield datasets
    contracts = [f"contract {name}" for name in source_names()]
    if datasets.status == FAILS:
        yield from skipped("without datasets", *contracts)
        return
    yield check("jobs", partial(check_jobs, settings))
    for name in source_names():
        yield check(f"contract {name}", partial(check_contract, warehouse, name))


def check_jobs(settings: Settings) -> str:
    """Return a run can find the jobs that a killed one has left at BigQuery."""
    try:
        running = [
            job
            for client in clients(settings)
            for job in RunningJobs(client, settings, Effects(0)).find()
        ]
    except CredixError as error:
        return (
            f"!{error} Jobs of a killed run are not cancelled then, and may keep the next run from "
            "its merge until they end. Grant bigquery.jobs.list (terraform/identities.tf)."
        )
    return f"{len(running)} of this identity run on BigQuery"


def check_datasets(warehouse: Warehouse) -> str:
    missing = []
    for layer in DATASETS:
        try:
            warehouse.require_dataset(layer)
        except SettingsError:
            missing.append(warehouse.settings.dataset(layer))
    if missing:
        raise SettingsError(
            f"Not there, or not open to this identity: {', '.join(missing)}. {PROVISION}"
        )
    return f"{warehouse.settings.prefix}_{{{','.join(DATASETS)}}}"


def check_contract(warehouse: Warehouse, name: str) -> str:
    """Return what loads are held to, and where bronze exists, what dbt merges into."""
    source = load_source(name)
    wanted = {column.name: column.type for column in source.landing_columns}
    found = {table: warehouse.columns(*table) for table in tables_of(name)}
    if found["temp", reference_table(source)] is None:
        raise SettingsError(f"{reference_table(source)} is not there: {PROVISION}")
    for (layer, table), columns in found.items():
        if columns is None:
            continue
        types = {column.name: column.type for column in columns}
        differing = [
            f"{column} ({types.get(column, 'missing')}, contract {kind})"
            for column, kind in wanted.items()
            if types.get(column) != kind
        ]
        if differing:
            raise SettingsError(
                f"{warehouse.table_id(layer, table)} differs from the contract: "
                f"{', '.join(differing)}. ./run_pipeline.py evolve {name} adds columns; a type is "
                "changed by hand."
            )
    return "reference table and bronze have its columns"


def tables_of(name: str) -> tuple[tuple[str, str], ...]:
    return ("temp", reference_table(load_source(name))), ("bronze", name)


def check_dbt_account(settings: Settings) -> str:
    """Return a token for the account that dbt works as: it asks for one itself, in its own way."""
    if settings.google_credentials == "anonymous":
        return "none: the server of BigQuery takes any token"
    account = settings.dbt_account or settings.impersonated_account
    setting = "DBT_IMPERSONATE" if settings.dbt_account else "IMPERSONATE"
    try:
        require_token(settings, dbt_credentials(settings))
    except GoogleAuthError as error:
        raise credentials_error(error, f"CREDIX_{setting}_SERVICE_ACCOUNT") from None
    return account or "the identity of the other clients"


def check_elementary(settings: Settings) -> str:
    folder = find_packages(settings)
    return str(folder) if folder else "!not installed: ./run_pipeline.py install-elementary"


def skipped(reason: str, *names: str) -> Iterator[Finding]:
    for name in names:
        yield Finding(name, SKIPPED, reason)


def is_healthy(findings: Sequence[Finding]) -> bool:
    return all(finding.status in (WELL, WARNS) for finding in findings)
