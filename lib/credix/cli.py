"""The commands of `run_pipeline.py`: parse, call, print.

Exit codes: 0 done, 1 the run failed, 2 wrong usage or settings, 3 another run holds the source.
"""

import json
import logging
import os
import shlex
import signal
import sys
import traceback
from datetime import date
from typing import Any

import click

from credix import (
    cli_doctor,
    cli_lab,
    cli_recovery,
    cli_schedule,
    cli_shell,
    cli_source,
    environment,
    terminal,
)
from credix.cli_shell import Commands, next_command
from credix.errors import CredixError
from credix.foreign_text import traceback_without_values
from credix.interrupts import terminate
from credix.json_log import reporter_for
from credix.quick_imports import skip_schema_formats
from credix.runs.jobs import JOBS, find_job

ENV_OPTION = click.option(
    "--env", help="local, dev, stage or prod; by default CREDIX_ENV, else local."
)
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """Carry every change from PostgreSQL to a risk score in BigQuery.

    Without a command, or with the name of a job, that job runs: cnpj, installments, full,
    monitoring.
    """


@commands.command()
@click.argument("job", default="full", type=click.Choice(list(JOBS)))
@ENV_OPTION
@click.option(
    "--watermark",
    "watermarks",
    multiple=True,
    metavar="[SOURCE=]VALUE",
    help="Begin here instead of at the state's watermark: a row version, a date or instant for "
    "a cursor, or 'none' to read in full.",
)
@click.option("--business-date", type=click.DateTime(["%Y-%m-%d"]), help="The day gold is for.")
@click.option(
    "-p",
    "--parameter",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="A parameter of the notebooks, as in -p layers '[\"bronze\"]'.",
)
@click.option(
    "--allow-deletes",
    is_flag=True,
    help="This once, carry more deletes than CREDIX_MAX_DELETED_SHARE, or an emptied source.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest; progress on stderr.")
def run(
    job: str,
    env: str | None,
    watermarks: tuple[str, ...],
    business_date: date | None,
    parameters: tuple[tuple[str, str], ...],
    allow_deletes: bool,
    *,
    as_json: bool,
) -> None:
    """Run a job: extract, land, load, transform and, for full and monitoring, report."""
    from credix.orders import Orders
    from credix.runs.watermarks import parse_watermarks

    found = find_job(job)
    begin_at = parse_watermarks(watermarks, found.sources)
    settings = environment.enter(env, terminal.tell)
    skip_schema_formats()
    from credix.runs.kernels import Kernels

    with Kernels() as kernels:
        # It boots while this process imports the rest.
        kernels.prepare(found.notebooks[0])
        from credix.runs.pipeline import Pipeline, Request

        request = Request(
            job=found,
            business_date=f"{business_date:%Y-%m-%d}" if business_date else None,
            watermarks=begin_at,
            parameters={name: parse_value(value) for name, value in parameters},
            orders=Orders(allow_deletes=allow_deletes),
        )
        reporter = terminal.ManifestReporter() if as_json else reporter_for(settings)
        Pipeline(settings, request, reporter, kernels).run()


@commands.command()
def up() -> None:
    """Start the embedded PostgreSQL, GCS and BigQuery; data is made once."""
    environment.start_stack("local", terminal.tell, is_provisioned_anew=True)
    terminal.console.print(f"The stack is up in {environment.local_folder('local')}", markup=False)


@commands.command()
@ENV_OPTION
def provision(env: str | None) -> None:
    """Create buckets, datasets and reference tables that are missing, as Terraform does."""
    settings = environment.enter(env, terminal.tell, is_seeded=False)
    environment.provision(settings)
    terminal.console.print(f"Buckets and datasets of {settings.prefix} are there.", markup=False)


@commands.command()
def down() -> None:
    """Stop the embedded servers; their data stays."""
    environment.stop_stack()
    terminal.console.print("The stack is down.")


@commands.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Delete the embedded stack with all its data and local runs."""
    folder = environment.local_folder("local")
    if not yes:
        click.confirm(f"Delete the stack in {folder} with all its data?", abort=True)
    environment.reset_stack()
    terminal.console.print("The stack is gone.")


@commands.command()
@JSON_OPTION
def env(as_json: bool) -> None:
    """Print how to reach the embedded servers, as export lines or JSON."""
    variables = environment.stack_variables()
    if as_json:
        terminal.print_json(variables)
        return
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


@commands.command()
@click.option("--companies", default=10_000, show_default=True, type=click.IntRange(0, 3_000_000))
@click.option(
    "--installments", default=200_000, show_default=True, type=click.IntRange(0, 30_000_000)
)
@click.option("--seed", default=42, show_default=True)
@click.option(
    "--replace", is_flag=True, help="Empty tables that exist; else they stay as they are."
)
def seed(companies: int, installments: int, seed: int, replace: bool) -> None:
    """Fill the embedded source with demo data of a chosen size."""
    environment.seed(companies, installments, seed, terminal.tell, replace=replace)


@commands.command()
@click.option("--days", default=1, show_default=True, type=click.IntRange(1, 3650))
@click.option("--seed", default=1, show_default=True)
@click.option("--deletes", is_flag=True, help="Also delete rows.")
@JSON_OPTION
def simulate(days: int, seed: int, deletes: bool, *, as_json: bool) -> None:
    """Let days pass in the embedded source: invoices, payments, corrections, status changes."""
    summary = environment.simulate(days, seed, terminal.tell, with_deletes=deletes)
    if as_json:
        terminal.print_json(summary)
        return
    terminal.print_table(
        f"{days} day(s) have passed in the source", ["what", "rows"], list(summary.items())
    )


@commands.command()
@ENV_OPTION
@JSON_OPTION
def status(env: str | None, as_json: bool) -> None:
    """Show for each source its watermark, last run, rows in bronze, lags and replication slot."""
    from credix.runs.history import source_statuses

    lines = source_statuses(environment.enter(env, terminal.tell, writes=False))
    if as_json:
        terminal.print_json(lines)
        return
    for line in lines:
        rows = [(key, value) for key, value in line.items() if key != "source"]
        terminal.print_table(line["source"], ["", "value"], rows)


@commands.command()
@ENV_OPTION
@JSON_OPTION
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@click.option("--open", "is_opened", is_flag=True, help="Show the page of all runs in a browser.")
@click.option("--rebuild", "is_rebuilt", is_flag=True, help="Make that page anew first.")
def runs(env: str | None, as_json: bool, limit: int, *, is_opened: bool, is_rebuilt: bool) -> None:
    """List the last runs with status, duration, rows and error; or open the page of all runs."""
    from credix.runs.history import recent_runs

    settings = environment.enter(env, terminal.tell, writes=is_rebuilt)
    if is_opened or is_rebuilt:
        from credix.runs.publish import show_history

        address = show_history(settings, is_rebuilt=is_rebuilt, is_opened=is_opened)
        terminal.console.print(f"The page of all runs: {address}", markup=False)
        return
    lines = recent_runs(settings, limit)
    if as_json:
        terminal.print_json(lines)
        return
    columns = ["run_id", "status", "started_at", "seconds", "rows", "error"]
    terminal.print_table("Runs", columns, [[line[column] for column in columns] for line in lines])


@commands.command("install-elementary")
@ENV_OPTION
@click.option(
    "--once", is_flag=True, help="Try it the first time only; say what went wrong and go on."
)
def install_elementary(env: str | None, *, once: bool) -> None:
    """Download Elementary's dbt packages, with which `full` and `monitoring` watch the tables."""
    from credix.runs.install_elementary import install_elementary as install

    settings = environment.enter(env, terminal.tell, writes=False)
    install(settings, terminal.tell, is_only_tried=once)


for module in (cli_recovery, cli_schedule, cli_doctor, cli_lab, cli_source, cli_shell):
    for command in module.COMMANDS:
        commands.add_command(command)


def parse_value(text: str) -> Any:
    """A parameter as JSON where it is JSON, else as text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def main() -> None:
    """Run a command; every expected error is one sentence and an exit code."""
    signal.signal(signal.SIGTERM, terminate)
    sys.excepthook = show_unexpected
    try:
        commands(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except CredixError as error:
        terminal.print_error(str(error), next_command(error))
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        # It would tell of the tasks that the interrupt has left unfinished.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        terminal.print_error("Interrupted.")
        sys.exit(1)


def show_unexpected(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """A fault of the product: its traceback, without secrets and values."""
    text = "".join(traceback.format_exception(kind, error, trace))
    terminal.print_error(redacted(traceback_without_values(text)))


def redacted(text: str) -> str:
    from credix.runs.redact import Redactor

    names = ("PASSWORD", "CREDIX_ALERT_URLS", "CREDIX_OPENLINEAGE_API_KEY", "WEBHOOK")
    secret = [value for key, value in os.environ.items() if any(name in key for name in names)]
    words = [word for value in secret for word in value.split()]
    return Redactor([*secret, *words]).text(text)
