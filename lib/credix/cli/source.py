"""The command `add-source`."""

import click

from credix.cli import terminal
from credix.cli.help import ENV_OPTION, JSON_OPTION, examples
from credix.core.settings import PROJECT_DIR
from credix.operations import environment


@click.command(
    "add-source",
    epilog=examples(
        ("add-source public.orders --key order_id", "a table with its key"),
        ("add-source orders --ignore extra --personal-data buyer_name", "in POSTGRES_SCHEMA"),
        ("add-source public.orders --name shop_orders --json", "under another name"),
    ),
)
@click.argument("table", metavar="[SCHEMA.]TABLE")
@click.option("--name", default="", help="The source's name; by default the table's.")
@click.option(
    "--key", multiple=True, help="A column of the key; may be repeated. By default the primary key."
)
@click.option("--cursor", multiple=True, help="A column that says when a row last changed.")
@click.option("--ignore", "ignored", multiple=True, help="A column to leave out; may be repeated.")
@click.option(
    "--personal-data", multiple=True, help="A column to mask; by default those that sound like it."
)
@ENV_OPTION
@JSON_OPTION
@click.pass_context
def add_source(
    context: click.Context,
    table: str,
    name: str,
    key: tuple[str, ...],
    cursor: tuple[str, ...],
    ignored: tuple[str, ...],
    personal_data: tuple[str, ...],
    env: str | None,
    *,
    as_json: bool,
) -> None:
    """Make a table of the source database a source: contract, bronze model, sources.yml.

    It writes files of this project and nothing else.
    """
    settings = environment.enter(env, terminal.say, writes=False)
    from credix.operations.sources.add import NewSourceOptions, draft_source, write_source

    wish = NewSourceOptions(table, name, key, cursor, ignored, personal_data)
    root = context.find_root().command
    names = root.list_commands(context) if isinstance(root, click.Group) else []
    source = draft_source(settings, wish, names)
    paths = [str(path.relative_to(PROJECT_DIR)) for path in write_source(source)]
    if as_json:
        columns = {column.name: column.type for column in source.columns}
        terminal.print_json({"source": source.name, "columns": columns, "files": paths})
        return
    shown = {True: "masked", False: "as it is"}
    rows = [
        [
            c.name,
            c.type,
            "key" if c.name in source.key else "",
            shown[c.name in source.personal_data],
        ]
        for c in source.columns
    ]
    terminal.print_table(f"Source {source.name}", ["column", "type", "", "shown"], rows)
    for path in paths:
        terminal.console.print(f"  wrote {path}", markup=False)
    terminal.console.print(
        "Describe the columns, then: ./run_pipeline.py provision && "
        f"./run_pipeline.py run {source.name}"
    )


COMMANDS = (add_source,)
