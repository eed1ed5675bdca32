"""The command that erases a person's or company's rows."""

import getpass
import secrets
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from credix.cli import terminal
from credix.cli.answer import Answer
from credix.cli.help import ENV_OPTION, JSON_OPTION, YES_OPTION, examples
from credix.cli.recovery import open_run, run_source
from credix.cli.shell import complete_source
from credix.core.contracts import load_source, references_to, source_names
from credix.core.errors import SettingsError
from credix.core.run_options import RunOptions
from credix.operations import environment

if TYPE_CHECKING:
    import pyarrow as pa

    from credix.core.settings import Settings
    from credix.operations.erasure.request import Erasure, Matcher
    from credix.operations.erasure.traces import Traces
    from credix.state.run import Run

PLACES = ("keys", "in the source", "live in bronze", "deleted in bronze", "files", "retained")


@click.command(
    epilog=examples(
        ("erase --source cnpj_ws --key 11222333000181", "shows where it is found"),
        ("erase --source cnpj_ws --key 11222333000181 --with-references --yes", "erases both"),
        ("erase --source installments --keys-from keys.txt --yes", "one key a line"),
        ("erase --pending --yes", "the files whose retention is over by now"),
    )
)
@click.option(
    "--source",
    help="The source, as in sources.yml.",
    shell_complete=complete_source,
)
@click.option("--key", "keys", multiple=True, help="A key, its columns joined by a slash.")
@click.option(
    "--keys-from",
    type=click.Path(allow_dash=True),
    help="A file with a key on each line, '-' for standard input: no shell keeps them.",
)
@click.option(
    "--with-references",
    is_flag=True,
    help="Also the rows of other sources that name these keys; else they stay.",
)
@click.option(
    "--no-source-check",
    is_flag=True,
    help="Do not ask PostgreSQL: for a source that comes in files from outside alone.",
)
@click.option("--pending", is_flag=True, help="Finish earlier erasures instead.")
@ENV_OPTION
@YES_OPTION
@JSON_OPTION
def erase(
    source: str | None,
    keys: tuple[str, ...],
    keys_from: str | None,
    env: str | None,
    *,
    with_references: bool,
    no_source_check: bool,
    pending: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase a person's or company's rows from bronze to gold, and from all files.

    Deleted rows only: delete them in the source first.
    """
    given = [*keys, *(read_lines(keys_from) if keys_from else ())]
    if pending == bool(given) or not (source or pending):
        raise click.UsageError("Give --source with --key or --keys-from, or --pending alone.")
    settings = environment.enter(env, terminal.say, writes=yes)
    if pending:
        finish_pending(settings, [source] if source else source_names(), yes, as_json=as_json)
        return
    from credix.operations.erasure.request import parse_keys

    wanted = parse_keys(load_source(str(source)), given)
    chosen = Chosen(settings, str(source), wanted, asks_source=not no_source_check)
    requests = [chosen, *(chosen.references() if with_references else [])]
    facts: dict[str, object] = {"sources": [request.facts() for request in requests]}
    answer = Answer(yes, as_json, {**facts, "referencing_rows": chosen.naming})
    answer.show(
        "What is to be erased",
        ["source", *PLACES],
        [list(request.facts().values()) for request in requests],
    )
    if chosen.naming and not with_references:
        terminal.say(
            f"{chosen.naming} live rows of {chosen.named_by} name these keys. They stay: "
            "--with-references erases them, once the source has deleted them."
        )
    for request in requests:
        request.require_gone()
    is_nothing = all(request.traces.is_nothing for request in requests)
    begun = chosen.interrupted()
    if begun:
        terminal.say(
            f"{len(begun)} earlier erasures ended in the middle; they go on with this one."
        )
    if is_nothing and not begun:
        stays = f"; the rows of {chosen.named_by} that name them stay" if chosen.naming else ""
        answer.tell_done(f"None of these keys is found as a row or in a file{stays}.")
    elif answer.may_act("These rows would be erased for good"):
        records = [] if is_nothing else [request.erase(answer) for request in requests]
        show_records(answer, [*records, *chosen.go_on()])


def read_lines(path: str) -> list[str]:
    """Raise SettingsError when there is no such file, or it is no text."""
    try:
        # Windows puts a byte order mark before the first key.
        with click.open_file(path, encoding="utf-8-sig") as lines:
            return [line.strip() for line in lines if line.strip()]
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} cannot be read: it is no text in UTF-8.") from None


class Chosen:
    """Keys of one source, and where they are found."""

    def __init__(
        self, settings: "Settings", source: str, keys: "pa.Table", *, asks_source: bool
    ) -> None:
        from credix.operations.erasure.references import count_references
        from credix.operations.erasure.request import match_keys
        from credix.operations.erasure.traces import find_traces

        self.settings, self.keys, self.asks_source = settings, keys, asks_source
        self.run: Run = open_run(settings, source, "erase")
        # Looking needs no secret that outlives it.
        self.matcher: Matcher = match_keys(self.run.source, secrets.token_bytes(), keys)
        self.traces: Traces = find_traces(self.run, self.matcher, keys, asks_source=asks_source)
        self.naming = count_references(self.run, keys)
        self.named_by = " and ".join(sorted({one.source for one in references_to(source)}))

    def references(self) -> "list[Chosen]":
        """Return the rows of other sources that name these keys."""
        from credix.operations.erasure.references import find_references

        return [
            Chosen(self.settings, name, keys, asks_source=self.asks_source)
            for name, keys in find_references(self.run, self.keys).items()
        ]

    def interrupted(self) -> "list[Erasure]":
        from credix.operations.erasure.erase import interrupted

        return interrupted(self.run)

    def go_on(self) -> "list[Erasure]":
        """Finish what an earlier call has left in the middle."""
        from credix.operations.erasure.erase import carry_out

        return [carry_out(self.settings, record) for record in self.interrupted()]

    def facts(self) -> dict[str, str | int | None]:
        traces = self.traces
        values = (
            len(self.keys),
            traces.source_rows if self.asks_source else "not asked",
            traces.live_rows,
            traces.deleted_rows,
            len(traces.holding),
            sum(file.until is not None for file in traces.holding),
        )
        return {"source": self.run.source_name, **dict(zip(PLACES, values, strict=True))}

    def require_gone(self) -> None:
        from credix.operations.erasure.traces import require_carried, require_gone

        require_gone(self.run, self.traces)
        if not self.asks_source:
            require_carried(self.run, self.traces)

    def erase(self, answer: Answer) -> "Erasure":
        """Replicate the deletes where bronze does not have them yet, then erase."""
        from credix.operations.erasure.erase import erase

        if self.traces.live_rows and self.run.source.captures_deletes:
            run_source(self.settings, self.run.source.name, "erase", RunOptions(), answer)
        who = f"{getpass.getuser()}@{socket.gethostname()}"
        name = self.run.source.name
        return erase(self.settings, name, self.keys, who, asks_source=self.asks_source)


def finish_pending(
    settings: "Settings", sources: Sequence[str], yes: bool, *, as_json: bool
) -> None:
    from credix.operations.erasure.erase import carry_out, unfinished

    records = unfinished(open_run(settings, sources[0], "erase"), sources)
    columns = ["source", "id", "status", "requested", "files", "retained until"]
    lines = [
        [r.source, r.id, r.status, f"{r.requested_at:%Y-%m-%d}", len(r.pending), last_day(r)]
        for r in records
    ]
    facts = {"erasures": [dict(zip(columns, line, strict=True)) for line in lines]}
    answer = Answer(yes, as_json, facts)
    if not records:
        answer.tell_done("No erasure is pending.")
        return
    answer.show("Erasures that are not finished", columns, lines)
    if answer.may_act(f"{len(records)} erasures would go on"):
        show_records(answer, [carry_out(settings, record) for record in records])


def last_day(record: "Erasure") -> str:
    days = [file.until for file in record.pending if file.until]
    return f"{max(days):%Y-%m-%d}" if days else ""


def show_records(answer: Answer, records: "list[Erasure]") -> None:
    """What was done, and what is left."""
    lines = [
        f"{record.source}: keys gone from bronze: {record.bronze_rows}, rows gone from files: "
        f"{record.file_rows} (files: {record.files}); record {record.id}."
        for record in records
    ]
    lines += [
        f"{record.source}: {len(record.pending)} files keep rows until "
        f"{last_day(record) or 'they may be changed'}; then ./run_pipeline.py erase --pending --yes"
        for record in records
        if record.pending
    ]
    lines.append("Silver and gold hold none of them; copies by replay --into are yours to drop.")
    lines += [f"{name} cannot be read." for r in records for name in r.unreadable]
    shown = [record.model_dump(mode="json", exclude={"keys"}) for record in records]
    answer.tell_done("\n".join(lines), erasures=shown)


COMMANDS: tuple[click.Command, ...] = (erase,)
