"""The commands of `run_pipeline.py`: parse, call, print.

Exit codes: 0 done, 1 the run failed, 2 wrong usage or settings, 3 another run holds the source.
"""

import json
import logging
import os
import sys
import traceback
from datetime import date
from typing import Any

import click

from credix.cli import doctor, erase, lab, recovery, schedule, shell, source, stack, terminal
from credix.cli.help import COMMAND, ENV_OPTION, JSON_OPTION, examples
from credix.cli.json_log import reporter_for
from credix.cli.shell import VARIABLE, Commands, complete_job, next_command
from credix.core.errors import CredixError, UnexpectedError
from credix.core.interrupts import TerminatedError, end_by_signals
from credix.core.jobs import find_job
from credix.core.quick_imports import skip_uri_grammar
from credix.core.redaction import traceback_without_values
from credix.operations import environment


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """Replicate every change from PostgreSQL to a risk score in BigQuery.

    Without a command, or with the name of a job, that job runs: full, monitoring, or that of a
    source.
    """


@commands.command(
    epilog=examples(
        ("run full", "every source, gold, the report"),
        ("run installments", "one source, then gold"),
        ("run installments --watermark none", "read the whole table again"),
        ("run full --business-date 2026-03-31", "statuses as of that day"),
        ("run installments --from-landing", "files of other software instead of an extract"),
        ("run cnpj -p layers '[\"bronze\"]'", "stop before silver and gold"),
        ("run full --json > manifest.json", "for programs"),
    )
)
@click.argument("job", default="full", metavar="[JOB]", shell_complete=complete_job)
@ENV_OPTION
@click.option(
    "--watermark",
    "watermarks",
    multiple=True,
    metavar="[SOURCE=]VALUE",
    help="Begin here instead of at the state's watermark: a row version, a date or instant for "
    "a cursor, or 'none' to read in full.",
)
@click.option(
    "--business-date",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The day gold is for: payments after it do not count, invoices issued after it are "
    "left out. Corrections that the source has made since are included.",
)
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
    help="This once, replicate more deletes than CREDIX_MAX_DELETED_SHARE, or an emptied source.",
)
@click.option(
    "--from-landing",
    is_flag=True,
    help="Take the files that others have put below landing/external/ instead of extracting.",
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
    from_landing: bool,
    as_json: bool,
) -> None:
    """Run a job: extract, land, load, transform and, for full and monitoring, report."""
    from credix.core.run_options import RunOptions
    from credix.operations.parse_watermark import parse_watermarks

    if from_landing and watermarks:
        raise click.UsageError("--from-landing asks PostgreSQL nothing: leave --watermark out.")
    found = find_job(job)
    begin_at = parse_watermarks(watermarks, found.sources)
    settings = environment.enter(env, terminal.say)
    skip_uri_grammar()
    from credix.pipeline.notebooks.kernels import Kernels

    with Kernels() as kernels:
        # It boots while this process imports the rest.
        kernels.prepare(found.notebooks[0])
        from credix.pipeline.pipeline import Pipeline, Request

        request = Request(
            job=found,
            business_date=f"{business_date:%Y-%m-%d}" if business_date else None,
            watermarks=begin_at,
            parameters={name: parse_value(value) for name, value in parameters},
            orders=RunOptions(allow_deletes=allow_deletes, from_landing=from_landing),
        )
        reporter = terminal.ManifestReporter() if as_json else reporter_for(settings)
        Pipeline(settings, request, reporter, kernels).run()


@commands.command(
    epilog=examples(
        ("status", "where each source stands"),
        ("status --json", "the same for programs"),
        ("status --env dev", "of another environment"),
    )
)
@ENV_OPTION
@JSON_OPTION
def status(env: str | None, as_json: bool) -> None:
    """Show for each source its watermark, last run, rows in bronze, lags and replication slot."""
    from credix.pipeline.history.status import source_statuses

    lines = source_statuses(environment.enter(env, terminal.say, writes=False))
    # A source whose log is not read has no slot to report.
    facts = [line.model_dump(mode="json", exclude_defaults=True) for line in lines]
    if as_json:
        terminal.print_json(facts)
        return
    for line in facts:
        terminal.print_table(line.pop("source"), ["", "value"], list(line.items()))


@commands.command(
    epilog=examples(
        ("runs", "the last 20"),
        ("runs --limit 100 --json", "for programs"),
        ("runs --open", "all of them on one page, with their notebooks"),
        ("runs --rebuild", "rebuild that page from the archive"),
    )
)
@ENV_OPTION
@JSON_OPTION
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many to list."
)
@click.option("--open", "is_opened", is_flag=True, help="Show the page of all runs in a browser.")
@click.option("--rebuild", "is_rebuilt", is_flag=True, help="Rebuild that page first.")
def runs(env: str | None, as_json: bool, limit: int, *, is_opened: bool, is_rebuilt: bool) -> None:
    """List the last runs with status, duration, rows and error; or open the page of all runs."""
    from credix.pipeline.history.status import recent_runs

    settings = environment.enter(env, terminal.say, writes=is_rebuilt)
    if is_opened or is_rebuilt:
        from credix.pipeline.history.publish import show_history

        address = show_history(settings, is_rebuilt=is_rebuilt, is_opened=is_opened)
        if as_json:
            terminal.print_json({"page": address})
            return
        terminal.console.print(f"The page of all runs: {address}", markup=False)
        return
    lines = recent_runs(settings, limit)
    if as_json:
        terminal.print_json([line.model_dump() for line in lines])
        return
    columns = ["run_id", "status", "started_at", "seconds", "rows", "error"]
    rows = [[getattr(line, column) for column in columns] for line in lines]
    terminal.print_table("Runs", columns, rows)


@commands.command(
    "install-elementary",
    epilog=examples(
        ("install-elementary", "then: full and monitoring"),
        ("install-elementary --once", "as make run does it"),
    ),
)
@ENV_OPTION
@click.option(
    "--once", is_flag=True, help="Try it the first time only; say what went wrong and go on."
)
def install_elementary(env: str | None, *, once: bool) -> None:
    """Download Elementary's dbt packages, with which `full` and `monitoring` watch the tables."""
    from credix.operations.install_elementary import install_elementary as install

    settings = environment.enter(env, terminal.say, writes=False)
    install(settings, terminal.say, best_effort=once)


for module in (
    recovery,
    erase,
    schedule,
    doctor,
    lab,
    source,
    stack,
    shell,
):
    for command in module.COMMANDS:
        commands.add_command(command)


def parse_value(text: str) -> Any:
    """Return a parameter as JSON where it is JSON, else as text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def main() -> None:
    """Run a command; every expected error is one sentence and an exit code."""
    end_by_signals()
    sys.excepthook = show_unexpected
    try:
        commands(prog_name=COMMAND, complete_var=VARIABLE, standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except CredixError as error:
        terminal.print_error(str(error), next_command(error))
        terminal.say(f"More: docs/how-to/troubleshoot.md, {type(error).__name__}")
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("credix"):
            raise
        terminal.print_error(f"The package {error.name} is not installed.", "make install")
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort) as error:
        # It would report the tasks that the interrupt has left unfinished.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        cause = error.__cause__ or error
        is_terminated = isinstance(cause, TerminatedError)
        terminal.say(f"Ended by {cause}." if is_terminated else "Interrupted.")
        sys.exit(1)


def show_unexpected(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """A fault of the product: its traceback, without secrets and values."""
    text = "".join(traceback.format_exception(kind, error, trace))
    what_next = next_command(UnexpectedError("A fault of the product."))
    terminal.print_error(redacted(traceback_without_values(text)), what_next)


def redacted(text: str) -> str:
    from credix.core.redaction import Redactor

    names = ("PASSWORD", "CREDIX_ALERT_URLS", "CREDIX_OPENLINEAGE_API_KEY", "WEBHOOK")
    secret = [value for key, value in os.environ.items() if any(name in key for name in names)]
    words = [word for value in secret for word in value.split()]
    return Redactor([*secret, *words]).text(text)
