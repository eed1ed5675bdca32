"""The commands that repair: each shows what it would touch, and does it with `--yes`."""

import sys
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import click

from credix.cli import terminal
from credix.cli.answer import Answer
from credix.cli.help import ENV_OPTION, JSON_OPTION, YES_OPTION, examples
from credix.cli.json_log import reporter_for
from credix.cli.shell import complete_source
from credix.core.contracts import load_source, source_names
from credix.core.errors import SettingsError
from credix.operations import environment

if TYPE_CHECKING:
    from credix.core.run_options import RunOptions
    from credix.core.settings import Settings
    from credix.state.run import Run

# The exit code where source and bronze differ (credix.core.errors has the others).
DIFFERENT = 4
DAY = click.DateTime(["%Y-%m-%d"])
SOURCE = click.option(
    "--source",
    required=True,
    help="The source, as in sources.yml.",
    shell_complete=complete_source,
)
FIRST = click.option(
    "--from", "first", type=DAY, metavar="YYYY-MM-DD", required=True, help="First day."
)
LAST = click.option(
    "--to", "last", type=DAY, metavar="YYYY-MM-DD", required=True, help="Last day, included."
)


@click.command(
    epilog=examples(
        ("replay --source installments --from 2026-03-01 --to 2026-03-31", "shows the runs"),
        ("replay --source installments --from 2026-03-01 --to 2026-03-31 --yes", "merges them"),
        (
            "replay --source cnpj_ws --from 2026-01-01 --to 2026-12-31 --into rebuilt --yes",
            "into datasets of another prefix",
        ),
    )
)
@SOURCE
@FIRST
@LAST
@click.option("--into", help="Rebuild bronze under this prefix instead (its own datasets).")
@ENV_OPTION
@YES_OPTION
@JSON_OPTION
def replay(
    source: str,
    first: date,
    last: date,
    into: str | None,
    env: str | None,
    yes: bool,
    *,
    as_json: bool,
) -> None:
    """Merge archived files again, in the order of their runs; never undoes a newer row.

    The source is held meanwhile, as by a run.
    """
    from credix.operations.replay.replay import find_attempts
    from credix.operations.replay.replay import replay as merge_again

    settings = environment.enter(env, terminal.say, writes=yes)
    run = open_run(settings, source, "replay")
    attempts = find_attempts(run.lake, run.source, *iso(first, last))
    if not attempts:
        raise SettingsError(f"The archive has no merged file of {source} from those days.")
    columns = ["_seq", "rows", "files", "run"]
    lines = [[a.seq, a.rows, len(a.files), a.run_id] for a in attempts]
    facts = {"source": source, "runs": [dict(zip(columns, line, strict=True)) for line in lines]}
    answer = Answer(yes, as_json, facts)
    answer.show(f"Archived runs of {source}", columns, lines)
    if answer.may_act(f"{len(attempts)} runs would be merged into {into or 'bronze'} again"):
        digest = merge_again(settings, run.source, attempts, into)
        answer.tell_done(f"Merged. Bronze holds {digest.rows:,} live rows.", live_rows=digest.rows)


@click.command(
    epilog=examples(
        ("backfill --source installments --from 2026-03-01 --to 2026-03-31", "counts the rows"),
        ("backfill --source installments --from 2026-03-01 --to 2026-03-31 --yes", "a run"),
    )
)
@SOURCE
@FIRST
@LAST
@ENV_OPTION
@YES_OPTION
@JSON_OPTION
def backfill(
    source: str, first: date, last: date, env: str | None, yes: bool, *, as_json: bool
) -> None:
    """Read a period of the source again, by its cursor columns, and load it in a run."""
    from credix.capture.predicates import in_period
    from credix.core.run_options import RunOptions
    from credix.operations.rewind import count_rows

    settings = environment.enter(env, terminal.say, writes=yes)
    period = iso(first, last)
    found = load_source(source)
    rows = count_rows(settings, found, in_period(found, *period))
    answer = Answer(yes, as_json, {"source": source, "period": list(period), "rows": rows})
    if answer.may_act(f"{rows:,} rows of {period[0]} to {period[1]} would be read again"):
        orders = RunOptions(backfill=period)
        answer.tell_done("", run_id=run_source(settings, source, "backfill", orders, answer))


@click.command(
    epilog=examples(
        ("rewind --source installments --to none", "shows what the next run would read"),
        ("rewind --source installments --to none --yes", "the next run reads the whole table"),
        ("rewind --source installments --to 750 --yes", "from that row version on"),
    )
)
@SOURCE
@click.option(
    "--to",
    "value",
    required=True,
    help="A row version; for a cursor a date or instant; 'none' to read in full.",
)
@ENV_OPTION
@YES_OPTION
@JSON_OPTION
def rewind(source: str, value: str, env: str | None, yes: bool, *, as_json: bool) -> None:
    """Move a watermark back, so that the next run reads again from there."""
    from credix.operations import rewind as rewinding
    from credix.operations.parse_watermark import parse_watermark

    settings = environment.enter(env, terminal.say, writes=yes)
    run, found = open_run(settings, source, "rewind"), load_source(source)
    watermark = parse_watermark(value, found)
    state = run.states.read_source(source)
    rewinding.require_earlier(found, state, watermark)
    rows = rewinding.count_reread(settings, found, watermark)
    held = rewinding.describe(state.watermark) if state.watermark else "none"
    target = rewinding.describe(watermark) if watermark else "the beginning"
    answer = Answer(
        yes, as_json, {"source": source, "watermark": held, "target": target, "rows": rows}
    )
    if answer.may_act(f"From {held} back to {target}: the next run would read {rows:,} rows"):
        rewinding.rewind(run.states, found, watermark)
        answer.tell_done(f"The next run of {source} begins at {target}.")


@click.command(
    epilog=examples(
        ("evolve installments", "shows the columns that the contract lacks"),
        ("evolve installments --yes", "adds them"),
    )
)
@click.argument("source", shell_complete=complete_source)
@ENV_OPTION
@YES_OPTION
@JSON_OPTION
def evolve(source: str, env: str | None, yes: bool, *, as_json: bool) -> None:
    """Add the source table's new columns to the contract and to the schema of loads.

    The next run reads the source in full and adds the columns to bronze.
    """
    from credix.operations.sources.evolve import add_to_contract, new_columns

    settings = environment.enter(env, terminal.say, writes=yes)
    found = load_source(source)
    columns = new_columns(settings, found)
    types = {column.name: column.type for column in columns}
    answer = Answer(yes and bool(columns), as_json, {"source": source, "columns": types})
    answer.show(f"New columns of {source}", ["name", "type"], list(types.items()))
    what = f"{len(columns)} columns would be added to {source}.json"
    if (columns or as_json) and answer.may_act(what):
        path = add_to_contract(found, columns)
        environment.provision(settings)
        answer.tell_done(f"Describe them in {path}, and commit it.", file=str(path))


@click.command(
    epilog=examples(
        ("reconcile", "every source, every value"),
        ("reconcile --source installments --json", "for programs"),
        ("reconcile --yes", "a run repairs what differs"),
    )
)
@click.option(
    "--source",
    "sources",
    multiple=True,
    help="Only this source; more may be named.",
    shell_complete=complete_source,
)
@ENV_OPTION
@YES_OPTION
@JSON_OPTION
def reconcile(sources: Sequence[str], env: str | None, yes: bool, *, as_json: bool) -> None:
    """Compare every value of source and bronze; report the differences, with --yes repair them.

    Without --yes nothing is written anywhere, and the exit code is 4 when there are differences.
    """
    from credix.core.run_options import RunOptions
    from credix.operations.reconcile import compare_source

    settings = environment.enter(env, terminal.say, writes=yes)
    found, differing = [], []
    answer = Answer(yes, as_json)
    for source in sources or source_names():
        comparison = compare_source(open_run(settings, source, "reconcile"))
        frame = comparison.table()
        differences = frame.to_dict("records")
        facts: dict[str, object] = {
            "source": source,
            "equal": comparison.is_equal,
            "differences": differences,
        }
        found.append(facts)
        answer.show(
            f"{source}: bronze against the source", list(frame.columns), frame.values.tolist()
        )
        if not comparison.is_equal:
            differing.append(facts)
    if differing and not as_json:
        answer.may_act("A run would load the rows above and take out the surplus")
    if differing and yes:
        # One run for all of them: the tests of gold look at every source.
        names = tuple(str(facts["source"]) for facts in differing)
        run_id = run_sources(settings, names, "reconcile", RunOptions(reconcile=True), answer)
        for facts in differing:
            facts["run_id"] = run_id
    if as_json:
        terminal.print_json(found)
    if differing and not yes:
        sys.exit(DIFFERENT)


def open_run(settings: "Settings", source: str, job: str) -> "Run":
    """Return a run that holds no source: it looks, or merges what is merged already."""
    from credix.state.run import build_run, new_run_id

    load_source(source)
    run_id = new_run_id(job)
    return build_run(settings, run_id, settings.run_dir / run_id, source, 0, None, "")


def run_source(
    settings: "Settings", source: str, job: str, orders: "RunOptions", answer: Answer
) -> str:
    """Return a whole run of one source to bronze, silver and gold, with these orders.

    Its run id.
    """
    return run_sources(settings, (source,), job, orders, answer)


def run_sources(
    settings: "Settings", sources: tuple[str, ...], job: str, orders: "RunOptions", answer: Answer
) -> str:
    """Return a whole run of these sources to bronze, silver and gold, with these orders.

    Its run id.
    """
    from credix.core.jobs import Job
    from credix.pipeline.pipeline import Pipeline, Request

    request = Request(Job(job, sources, has_report=False), None, {}, {}, orders)
    reporter = (
        terminal.TerminalReporter(terminal.errors) if answer.as_json else reporter_for(settings)
    )
    return Pipeline(settings, request, reporter).run().run_id


def iso(first: date, last: date) -> tuple[str, str]:
    if first > last:
        raise SettingsError(f"--from {first:%Y-%m-%d} is after --to {last:%Y-%m-%d}.")
    return f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"


COMMANDS: tuple[click.Command, ...] = (replay, backfill, rewind, evolve, reconcile)
