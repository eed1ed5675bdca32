"""The reference of `docs/reference/commands.md`, of the commands that click knows."""

import inspect

import click

from credix.cli.help import COMMAND, sections
from credix.cli.main import commands
from docs.generator.markdown import code, table


def commands_part() -> str:
    """The commands in the order of `--help`, each with usage, options and examples."""
    pieces = []
    for title, names in sections(list(commands.commands)).items():
        pieces.append(f"## {title}")
        pieces.extend(describe(name, commands.commands[name]) for name in names)
    return "\n\n".join(pieces)


def describe(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"{COMMAND} {name}")
    usage = context.get_usage().removeprefix("Usage: ")
    options = [one for one in command.get_params(context) if isinstance(one, click.Option)]
    records = [option.get_help_record(context) for option in options]
    rows = [[code(names), text] for names, text in filter(None, records)]
    pieces = [
        f"### {name}",
        inspect.cleandoc(str(command.help)),
        f"```text\n{' '.join(usage.split())}\n```",
    ]
    if len(rows) > 1:
        # Every command knows --help, which comes last.
        pieces.append(table(["option", "meaning"], rows[:-1]))
    pieces.append(f"```sh\n{examples_of(command)}\n```")
    return "\n\n".join(pieces)


def examples_of(command: click.Command) -> str:
    """The examples of the help, as a shell takes them."""
    lines = str(command.epilog).splitlines()
    return "\n".join(line.removeprefix("  ") for line in lines if line.startswith("  "))
