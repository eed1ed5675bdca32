"""A table of the source database becomes a source: contract, bronze model, sources.yml.

Which of PostgreSQL's types fit which of BigQuery's is said in `schema.TYPES`.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from credix.capture.source_table import SourceTable
from credix.clients.postgres.connection import SourceConnection
from credix.core.column_types import TYPES, Column
from credix.core.contracts import (
    SOURCES,
    TECHNICAL,
    Source,
    build_source,
    check_declarations,
    contract_file,
    source_names,
    technical_columns,
)
from credix.core.disk import replacing
from credix.core.documents import Document, parse_document
from credix.core.errors import SettingsError, SourceError
from credix.core.jobs import all_jobs
from credix.core.paths import SHARED_CONTROL, control_table
from credix.core.settings import PROJECT_DIR, Settings
from credix.core.source_sql import quote_literal
from credix.operations.sources.evolve import write_contract
from credix.operations.sources.texts import OF_BRONZE, model_sql, model_yml, section_of

MODELS = PROJECT_DIR / "dbt" / "business_case" / "models"
NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
# Not sources: files beside the contracts, the owner of gold's state.
RESERVED = {TECHNICAL, "gold"}
NOT_DESCRIBED = "Not described yet"
PERSONAL = re.compile(
    r"(^|_)(name|nome|email|mail|phone|telefone|mobile|address|street|birth\w*|cpf|document|ip)(_|$)"
)


@dataclass(frozen=True)
class TableColumn:
    """A column of the live table."""

    name: str
    type: str
    comment: str | None


@dataclass(frozen=True)
class NewSourceOptions:
    """What a person says of a new source; what is left out is found in the table."""

    table: str
    name: str = ""
    key: tuple[str, ...] = ()
    cursor: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    personal_data: tuple[str, ...] = ()


def draft_source(
    settings: Settings, wish: NewSourceOptions, reserved: Collection[str] = frozenset()
) -> Source:
    """The contract of the live table; raises SettingsError or SourceError, and writes nothing.

    `reserved` are names that mean something else on the command line: its commands.
    """
    schema, _, table = wish.table.rpartition(".")
    schema = schema or settings.postgres_schema
    name = check_name(wish.name or table, reserved)
    own_schema = None if schema == settings.postgres_schema else schema
    probe = Source(
        name, table, (), "row_version", (), True, "fail", frozenset(), frozenset(), (), own_schema
    )
    with SourceConnection(settings) as connection:
        probed = SourceTable(connection, probe)
        probed.require()
        found = read_columns(connection, probed.sql)
        key = wish.key or read_key(connection, probed.sql)
        if not key:
            raise SettingsError(
                f"{schema}.{table} has no primary key: name unique columns with --key, or better "
                f"ALTER TABLE {schema}.{table} ADD PRIMARY KEY (…)."
            )
        source = build(name, table, own_schema, found, wish, key)
        SourceTable(connection, source).check_key()
    return source


def build(
    name: str,
    table: str,
    schema: str | None,
    found: Sequence[TableColumn],
    wish: NewSourceOptions,
    key: tuple[str, ...],
) -> Source:
    """Return the source of these columns; raises SettingsError for names that the table lacks."""
    known = {column.name for column in found}
    wishes = {
        "--key": key,
        "--cursor": wish.cursor,
        "--ignore": wish.ignored,
        "--personal-data": wish.personal_data,
    }
    for option, names in wishes.items():
        unknown = [name for name in names if name not in known]
        if unknown:
            raise SettingsError(
                f"The table has no column {', '.join(unknown)} ({option}). "
                f"It has: {', '.join(sorted(known))}."
            )
    carried = [column for column in found if column.name not in wish.ignored]
    columns = contract_columns(carried, key)
    personal = wish.personal_data or guess_personal(column.name for column in columns)
    declared: dict[str, Any] = {
        "table": table,
        "key": list(key),
        "capture": "row_version",
        "cursor": list(wish.cursor),
        "deletes": True,
        "drift": "fail",
        "ignored": list(wish.ignored),
        "personal_data": list(personal),
    }
    if schema:
        declared["schema"] = schema
    contract = Document(contract_file(name).name, [asdict(column) for column in columns])
    return build_source(name, Document(SOURCES.name, declared), contract)


def contract_columns(found: Sequence[TableColumn], key: Collection[str]) -> list[Column]:
    """Return the columns in BigQuery's types, the key REQUIRED.

    Raises SourceError naming the others.
    """
    by_type = {kind: name for name, mapping in TYPES.items() for kind in mapping.accepted}
    taken = {column.name for column in (*technical_columns(), *OF_BRONZE)}
    refused = [
        f"{column.name} ({column.type})"
        for column in found
        if column.type not in by_type or column.name in taken or not COLUMN.fullmatch(column.name)
    ]
    if refused:
        ways = " ".join(f"--ignore {text.partition(' ')[0]}" for text in refused)
        raise SourceError(
            f"These columns cannot be replicated: {', '.join(refused)}. Leave them out "
            f"({ways}), or "
            f"give them one of the types {', '.join(sorted(by_type))} and a name of letters, "
            "digits and _."
        )
    return [
        Column(
            column.name,
            by_type[column.type],
            "REQUIRED" if column.name in key else "NULLABLE",
            column.comment or NOT_DESCRIBED,
        )
        for column in found
    ]


def guess_personal(names: Iterable[str]) -> tuple[str, ...]:
    """Return columns whose names sound like a person's.

    Masked until the contract says otherwise.
    """
    return tuple(name for name in names if PERSONAL.search(name.lower()))


def check_name(name: str, reserved: Collection[str]) -> str:
    """Raise SettingsError for a name that a source cannot have, or something else has."""
    if not NAME.fullmatch(name):
        raise SettingsError(
            f"'{name}' is no name for a source: give one of small letters, digits and _ by --name."
        )
    if name in reserved:
        raise SettingsError(
            f"'{name}' is a command of ./run_pipeline.py: give the source another name with --name."
        )
    models = {path.stem for path in MODELS.rglob("*.sql")}
    is_control = name == SHARED_CONTROL or name.startswith(control_table(""))
    if name in source_names() or name in models | RESERVED | set(all_jobs()) or is_control:
        raise SettingsError(f"The name '{name}' is taken: give another one with --name.")
    return name


def read_columns(connection: SourceConnection, table: str) -> list[TableColumn]:
    rows = connection.rows(
        """
        SELECT attname, regexp_replace(format_type(atttypid, atttypmod), '\\(.*?\\)', ''),
               col_description(attrelid, attnum)
        FROM pg_attribute
        WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped
        ORDER BY attnum
        """,
        {"table": table},
    )
    return [TableColumn(name, kind.strip(), comment) for name, kind, comment in rows]


def read_key(connection: SourceConnection, table: str) -> tuple[str, ...]:
    """Return the columns of the primary key in its order; none without one."""
    rows = connection.rows(
        f"""
        SELECT attname FROM pg_index JOIN pg_attribute
          ON attrelid = indrelid AND attnum = ANY (indkey)
        WHERE indrelid = {quote_literal(table)}::regclass AND indisprimary
        ORDER BY array_position(indkey::int[], attnum::int)
        """
    )
    return tuple(name for (name,) in rows)


def write_source(source: Source) -> list[Path]:
    """Write the files of the source; sources.yml, by which it exists, comes last.

    Raises SettingsError where one of them is there already.
    """
    contract = contract_file(source.name)
    model = MODELS / "bronze" / f"{source.name}.sql"
    texts = {model: model_sql(source), model.with_suffix(".yml"): model_yml(source)}
    taken = [str(path) for path in (contract, *texts) if path.exists()]
    if taken:
        raise SettingsError(f"There is a file already: {', '.join(taken)}. Remove it first.")
    whole = f"{SOURCES.read_text('utf-8').rstrip()}\n\n{section_of(source)}"
    check_declarations(parse_document(whole, SOURCES.name))
    write_contract(contract, list(source.columns))
    for path, text in texts.items():
        path.write_text(text, "utf-8")
    with replacing(SOURCES) as beside:
        beside.write_text(whole, "utf-8")
    return [contract, *texts, SOURCES]
