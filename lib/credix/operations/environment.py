"""The environment a command works in: settings in force, and locally a running stack.

The one place where the package meets its embedded stack.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from credix.core.errors import SettingsError, StackError
from credix.core.settings import (
    Settings,
    collect_variables,
    own_variables,
    read_env_file,
    stack_folder,
)

POSTGRES = ("POSTGRES_HOST", "POSTGRES_PORT")
GOOGLE = ("STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST")
# What is beside the servers in the stack's folder.
PROVISIONED = "provisioned"
LOCAL_FILES = (PROVISIONED, "runs", "dbt", "demo", "lab")


def enter(
    env: str | None, say: Callable[[str], None], *, is_seeded: bool = True, writes: bool = True
) -> Settings:
    """Return the settings of the environment, with the embedded stack up where they need it.

    Raises SettingsError where a command that `writes` would do so to `prod` unconfirmed.

    On its first start the stack gets its buckets, datasets and, unless `is_seeded` is false, demo
    data. The settings are put into the environment of this process, for the kernels it starts.
    """
    if needs_stack(env):
        start_stack(env, say, is_seeded=is_seeded)
    settings = Settings.load(env)
    if writes:
        settings.require_confirmation()
    os.environ.update(settings.variables())
    return settings


def needs_stack(env: str | None) -> bool:
    """Return True for the local environment, unless the user names all servers of their own."""
    is_local = collect_variables(os.environ, env).get("CREDIX_ENV", "local") == "local"
    return is_local and not (is_named_by_user(POSTGRES, env) and is_named_by_user(GOOGLE, env))


def stack_health(env: str | None) -> tuple[dict[str, str], dict[str, int]] | None:
    """Return what its servers do, by name, and their ports that others took.

    None where none is needed.
    """
    if not needs_stack(env):
        return None
    from credix_local import stack

    folder = local_folder(env)
    return stack.health(folder), stack.taken_ports(folder)


def judges_statements() -> bool:
    """Return whether the local BigQuery asks Google's SQL analyzer before it runs a statement."""
    from credix_local.bigquery.googlesql.installation import is_installed

    return is_installed()


def start_stack(
    env: str | None,
    say: Callable[[str], None],
    *,
    is_seeded: bool = True,
    force_provision: bool = False,
) -> None:
    """Start the stack and, once, fill it.

    Buckets and datasets are made when servers were started, when an earlier start did not get so
    far, and with `force_provision`.
    """
    from credix_local import stack

    require_current_shell(env)
    with_postgres = not is_named_by_user(POSTGRES, env)
    started = stack.start(local_folder(env), with_postgres=with_postgres)
    require_current_shell(env)
    settings = Settings.load(env)
    if started.started:
        say(f"Started {', '.join(started.started)} in {started.folder}")
    marker = settings.local_dir / PROVISIONED
    if started.started or force_provision or not marker.exists():
        provision(settings)
        marker.touch()
    for message in started.messages:
        say(message)
    # Looked at here, since the demo data's libraries take longer to import than all of this.
    if with_postgres and is_seeded and not (settings.local_dir / "demo" / "seeded.json").exists():
        from credix_local.demo.seed import seed_once

        seed_once(settings, say)


def provision(settings: Settings) -> None:
    """Buckets, datasets and reference tables, as Terraform makes them on Google."""
    from credix.clients.bigquery.warehouse import Warehouse
    from credix.clients.effects import Effects
    from credix.clients.gcs.lake import Lake
    from credix.clients.provision import provision_buckets, provision_warehouse

    effects = Effects(settings.retry_seconds)
    provision_buckets(Lake(settings, effects))
    provision_warehouse(Warehouse(settings, effects))


def local_folder(env: str | None = None) -> Path:
    return stack_folder(collect_variables(os.environ, env))


def is_named_by_user(names: tuple[str, ...], env: str | None) -> bool:
    """Return True when the user's variables name a server that is not the stack's own."""
    stack = read_env_file(local_folder(env) / "stack.env")
    own = own_variables(os.environ)
    address = [own[name] for name in names if own.get(name)]
    return bool(address) and address != [stack.get(name) for name in names]


def require_current_shell(env: str | None) -> None:
    """Raise SettingsError where variables of the shell are those of an earlier start of the stack.

    They are known by the stack's password, which no other server has; without one of its own a
    shell that names a port alone means the stack's server, too.
    """
    stack = read_env_file(local_folder(env) / "stack.env")
    variables = collect_variables(os.environ, env)
    own = own_variables(os.environ)
    if not stack or variables.get("POSTGRES_PASSWORD") != stack.get("POSTGRES_PASSWORD"):
        return
    if own.get("POSTGRES_PASSWORD"):
        looked_at = [*POSTGRES, *GOOGLE]
    else:
        looked_at = [] if own.get("POSTGRES_HOST") else ["POSTGRES_PORT"]
    stale = [name for name in looked_at if own.get(name) and own[name] != stack.get(name)]
    if stale:
        listed = ", ".join(f"{name}={own[name]} (now {stack.get(name)})" for name in stale)
        raise SettingsError(
            f"Variables of this shell name the embedded servers where they no longer are: "
            f"{listed}. "
            f'eval "$(./run_pipeline.py env)", or unset {" ".join(stale)}'
        )


def stack_variables() -> dict[str, str]:
    """Return how to reach the embedded servers, also under the names that psql reads.

    Where the machine has no psql, with a PATH that ends with the embedded server's.
    """
    from credix_local import stack
    from credix_local.cluster import find_program

    try:
        variables = stack.variables(local_folder("local"))
    except StackError:
        if needs_stack("local"):
            raise
        raise SettingsError(
            "POSTGRES_HOST, STORAGE_EMULATOR_HOST and the like name the servers: there are no "
            "embedded ones to print."
        ) from None
    names = {
        "HOST": "HOST",
        "PORT": "PORT",
        "DB": "DATABASE",
        "USER": "USER",
        "PASSWORD": "PASSWORD",
    }
    for_psql = {
        f"PG{theirs}": variables[f"POSTGRES_{ours}"]
        for ours, theirs in names.items()
        if f"POSTGRES_{ours}" in variables
    }
    psql = None if shutil.which("psql") else find_program("psql")
    if for_psql and psql:
        path = own_variables(os.environ).get("PATH", os.defpath)
        for_psql["PATH"] = f"{path}{os.pathsep}{psql.parent}"
    return {**variables, **for_psql}


def simulate(
    days: int, seed: int, say: Callable[[str], None], *, with_deletes: bool
) -> dict[str, int]:
    """Let days pass in the local source; rows by kind of change."""
    from credix_local.demo import simulate_days

    return simulate_days(enter("local", say), days, seed, with_deletes=with_deletes)


def seed(
    companies: int, installments: int, seed: int, say: Callable[[str], None], *, replace: bool
) -> None:
    """Fill the local source with demo data of a chosen size."""
    from credix_local.demo import seed as demo

    settings = enter("local", say, is_seeded=False)
    demo.seed(settings, companies, installments, seed, say, replace=replace)


def stop_stack() -> None:
    """Stop the servers; their data stays."""
    from credix_local import stack

    stack.stop(local_folder("local"))


def reset_stack() -> None:
    """Stop the stack and delete it with its data, the local runs and the parse cache."""
    from credix_local import stack
    from credix_local.files import remove

    folder = local_folder("local")
    stack.reset(folder)
    for name in LOCAL_FILES:
        remove(folder / name)
