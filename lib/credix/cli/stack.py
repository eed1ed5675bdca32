"""The commands of the servers on this machine, and what they hold."""

import shlex
import sys

import click

from credix.cli import terminal
from credix.cli.help import ENV_OPTION, JSON_OPTION, examples
from credix.operations import environment


@click.command(epilog=examples(("up", "run, lab and the others do it by themselves")))
def up() -> None:
    """Start the embedded PostgreSQL, GCS and BigQuery; data is made once."""
    environment.start_stack("local", terminal.say, force_provision=True)
    terminal.console.print(f"The stack is up in {environment.local_folder('local')}", markup=False)


@click.command(
    epilog=examples(
        ("provision", "after add-source, on this machine"),
        ("provision --env dev", "where Terraform does not"),
    )
)
@ENV_OPTION
def provision(env: str | None) -> None:
    """Create buckets, datasets and reference tables that are missing, as Terraform does."""
    settings = environment.enter(env, terminal.say, is_seeded=False)
    environment.provision(settings)
    terminal.console.print(f"Buckets and datasets of {settings.prefix} are there.", markup=False)


@click.command(epilog=examples(("down", "up starts them again with the same data")))
def down() -> None:
    """Stop the embedded servers; their data stays."""
    environment.stop_stack()
    terminal.console.print("The stack is down.")


@click.command(epilog=examples(("reset", "asks first"), ("reset --yes", "does not")))
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Delete the embedded stack with all its data and local runs."""
    folder = environment.local_folder("local")
    if not yes and not sys.stdin.isatty():
        raise click.UsageError(
            "reset asks before it deletes, and there is no terminal: give --yes."
        )
    if not yes and not click.confirm(f"Delete the stack in {folder} with all its data?"):
        terminal.console.print("Nothing was deleted.")
        return
    environment.reset_stack()
    terminal.console.print("The stack is gone.")


@click.command(
    epilog=examples(
        ("env", "export lines"),
        ("env --json", "the same for programs"),
        ("env | grep PGPORT", "the port of PostgreSQL"),
    )
)
@JSON_OPTION
def env(as_json: bool) -> None:
    """Print how to reach the embedded servers, as export lines or JSON."""
    variables = environment.stack_variables()
    if as_json:
        terminal.print_json(variables)
        return
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


@click.command(
    epilog=examples(
        ("seed --companies 1000 --installments 20000 --replace", "a smaller source"),
        ("seed --installments 3000000 --replace", "a larger one"),
    )
)
@click.option(
    "--companies",
    default=10_000,
    show_default=True,
    type=click.IntRange(0, 3_000_000),
    help="Rows of the register.",
)
@click.option(
    "--installments",
    default=200_000,
    show_default=True,
    type=click.IntRange(0, 30_000_000),
    help="Rows of the receivables.",
)
@click.option("--seed", default=42, show_default=True, help="The same seed makes the same rows.")
@click.option(
    "--replace", is_flag=True, help="Empty tables that exist; else they stay as they are."
)
def seed(companies: int, installments: int, seed: int, replace: bool) -> None:
    """Fill the embedded source with demo data of a chosen size."""
    environment.seed(companies, installments, seed, terminal.say, replace=replace)


@click.command(
    epilog=examples(
        ("simulate", "a day"),
        ("simulate --days 30 --seed 7", "a month, other chances"),
        ("simulate --deletes --json", "a day with deletes, for programs"),
    )
)
@click.option(
    "--days", default=1, show_default=True, type=click.IntRange(1, 3650), help="How many pass."
)
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same days.")
@click.option("--deletes", is_flag=True, help="Also delete rows.")
@JSON_OPTION
def simulate(days: int, seed: int, deletes: bool, *, as_json: bool) -> None:
    """Let days pass in the embedded source: invoices, payments, corrections, status changes."""
    summary = environment.simulate(days, seed, terminal.say, with_deletes=deletes)
    if as_json:
        terminal.print_json(summary)
        return
    terminal.print_table(
        f"{days} day(s) have passed in the source", ["what", "rows"], list(summary.items())
    )


COMMANDS: tuple[click.Command, ...] = (up, provision, down, reset, env, seed, simulate)
