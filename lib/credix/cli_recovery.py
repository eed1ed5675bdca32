"""The commands that mend: each shows what it would touch, and does it with `--yes`."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import click

from credix import environment, terminal
from credix.cli_shell import complete_source
from credix.errors import SettingsError
from credix.json_log import reporter_for
from credix.sources import load_source, source_names

if TYPE_CHECKING:
    from credix.orders import Orders
    from credix.settings import Settings
from credix.steps.context import Run

DAY = click.DateTime(["%Y-%m-%d"])
SOURCE = click.option(
    "--source",
    required=True,
    help="The source, as in sources.toml.",
    shell_complete=complete_source,
)
ENV = click.option("--env", help="local, dev, stage or prod; by default CREDIX_ENV, else local.")
YES = click.option("--yes", is_flag=True, help="Do it; without, only show what it would touch.")
FIRST = click.option("--from", "first", type=DAY, required=True, help="First day, YYYY-MM-DD.")
LAST = click.option("--to", "last", type=DAY, required=True, help="Last day, itself included.")


@click.command()
@SOURCE
@FIRST
@LAST
@click.option("--into", help="Rebuild bronze under this prefix instead (its own datasets).")
@ENV
@YES
def replay(
    source: str, first: date, last: date, into: str | None, env: str | None, yes: bool
) -> None:
    """Merge archived files again, in the order of their runs; never undoes a newer row."""
    from credix.runs.replay import find_attempts
    from credix.runs.replay import replay as merge_again

    settings = environment.enter(env, terminal.tell, writes=yes)
    run = open_run(settings, source, "replay")
    attempts = find_attempts(run.lake, run.source, *iso(first, last))
    terminal.print_table(
        f"Archived runs of {source}",
        ["_seq", "rows", "files", "run"],
        [[a.seq, a.rows, len(a.files), a.run_id] for a in attempts],
    )
    if not attempts:
        raise SettingsError(f"The archive has no merged file of {source} from those days.")
    if not confirmed(yes, f"{len(attempts)} runs would be merged into {into or 'bronze'} again"):
        return
    digest = merge_again(run, attempts, into)
    terminal.console.print(f"Merged. Bronze holds {digest.rows:,} live rows.")


@click.command()
@SOURCE
@FIRST
@LAST
@ENV
@YES
def backfill(source: str, first: date, last: date, env: str | None, yes: bool) -> None:
    """Read a period of the source again, by its cursor columns, and carry it through a run."""
    from credix.capture import in_period
    from credix.orders import Orders
    from credix.runs.rewind import count_rows

    settings = environment.enter(env, terminal.tell, writes=yes)
    period = iso(first, last)
    found = load_source(source)
    rows = count_rows(settings, found, in_period(found, *period))
    if confirmed(yes, f"{rows:,} rows of {period[0]} to {period[1]} would be read again"):
        run_source(settings, source, "backfill", Orders(backfill=period))


@click.command()
@SOURCE
@click.option(
    "--to",
    "value",
    required=True,
    help="A row version; for a cursor a date or instant; 'none' to read in full.",
)
@ENV
@YES
def rewind(source: str, value: str, env: str | None, yes: bool) -> None:
    """Move a watermark back, so that the next run reads again from there."""
    from credix.runs import rewind as rewinding
    from credix.runs.watermarks import parse_watermark

    settings = environment.enter(env, terminal.tell, writes=yes)
    run, found = open_run(settings, source, "rewind"), load_source(source)
    watermark = parse_watermark(value, found)
    state = run.states.read_source(source)
    rewinding.require_earlier(found, state, watermark)
    rows = rewinding.count_reread(settings, found, watermark)
    held = rewinding.describe(state.watermark) if state.watermark else "none"
    target = rewinding.describe(watermark) if watermark else "the beginning"
    if confirmed(yes, f"From {held} back to {target}: the next run would read {rows:,} rows"):
        rewinding.rewind(run.states, found, watermark)
        terminal.console.print(f"The next run of {source} begins at {target}.")


@click.command()
@click.argument("source", shell_complete=complete_source)
@ENV
@YES
def evolve(source: str, env: str | None, yes: bool) -> None:
    """Add the source table's new columns to the contract and to the schema of loads.

    The next run reads the source in full and adds the columns to bronze.
    """
    from credix.runs.evolve import add_to_contract, new_columns

    settings = environment.enter(env, terminal.tell, writes=yes)
    found = load_source(source)
    columns = new_columns(settings, found)
    terminal.print_table(
        f"New columns of {source}", ["name", "type"], [[c.name, c.type] for c in columns]
    )
    if columns and confirmed(yes, f"{len(columns)} columns would be added to {source}.json"):
        path = add_to_contract(found, columns)
        environment.provision(settings)
        terminal.console.print(f"Describe them in {path}, and commit it.", markup=False)


@click.command()
@click.option(
    "--source",
    "sources",
    multiple=True,
    help="Only this source; more may be named.",
    shell_complete=complete_source,
)
@ENV
@YES
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
def reconcile(sources: Sequence[str], env: str | None, yes: bool, *, as_json: bool) -> None:
    """Compare every value of source and bronze; report the differences, with --yes repair them."""
    from credix.orders import Orders
    from credix.runs.reconcile import compare_source

    if as_json and yes:
        raise click.UsageError("--json tells and --yes repairs: give one of the two.")
    settings = environment.enter(env, terminal.tell, writes=yes)
    found = []
    for source in sources or source_names():
        comparison = compare_source(open_run(settings, source, "reconcile"))
        frame = comparison.table()
        differences = frame.to_dict("records")
        found.append({"source": source, "equal": comparison.is_equal, "differences": differences})
        if as_json:
            continue
        terminal.print_table(
            f"{source}: bronze against the source", list(frame.columns), frame.values.tolist()
        )
        if comparison.is_equal:
            continue
        if confirmed(yes, "A run would carry the rows above and take out the surplus"):
            run_source(settings, source, "reconcile", Orders(reconcile=True))
    if as_json:
        terminal.print_json(found)


def open_run(settings: "Settings", source: str, job: str) -> "Run":
    """A run that holds no source: it looks, or merges what is merged already."""
    from credix.steps.context import build_run, new_run_id

    load_source(source)
    run_id = new_run_id(job)
    return build_run(settings, run_id, settings.run_dir / run_id, source, 0, None, "")


def run_source(settings: "Settings", source: str, job: str, orders: "Orders") -> None:
    """A whole run of one source to bronze, silver and gold, with these orders."""
    from credix.runs.jobs import Job
    from credix.runs.pipeline import Pipeline, Request

    request = Request(Job(job, (source,), has_report=False), None, {}, {}, orders)
    Pipeline(settings, request, reporter_for(settings)).run()


def confirmed(yes: bool, what: str) -> bool:
    """Say what it is about; True when the person has agreed to it."""
    terminal.console.print(f"{what}." if yes else f"{what}. Nothing was done: add --yes to do it.")
    return yes


def iso(first: date, last: date) -> tuple[str, str]:
    if first > last:
        raise SettingsError(f"--from {first:%Y-%m-%d} lies behind --to {last:%Y-%m-%d}.")
    return f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"


COMMANDS: tuple[click.Command, ...] = (replay, backfill, rewind, evolve, reconcile)
