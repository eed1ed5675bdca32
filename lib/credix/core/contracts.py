"""The source contracts: which tables are replicated, by which key, with which columns, and when.

They are data, in `lib/contracts/`: `sources.yml`, `jobs.yml` and a BigQuery schema per source.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from credix.core import cron
from credix.core.column_types import TYPES, Column, arrow_schema, fingerprint
from credix.core.documents import Document, read_document
from credix.core.errors import SettingsError

CaptureMode = Literal["row_version", "cursor", "log"]

DriftRule = Literal["fail", "evolve"]

LIB = Path(__file__).parents[2]
FOLDER = LIB / "contracts"
SOURCES = FOLDER / "sources.yml"
JOBS = FOLDER / "jobs.yml"
# Where earlier versions had them, and what holds their content now.
FORMER = {
    LIB / "credix" / "sources" / "sources.toml": SOURCES,
    FOLDER / "sources.toml": SOURCES,
    LIB / "credix" / "schedule.json": JOBS,
}
# The columns that every landing file has after the contract's own; no source has this name.
TECHNICAL = "technical"


def checked_line(line: str) -> str:
    cron.parse(line)
    return line


CronLine = Annotated[str, AfterValidator(checked_line)]
CRON = 'a cron line, as in "30 7 * * mon-fri"'


class Declaration(BaseModel):
    """What `sources.yml` says of a source; a description ends the sentence "it must be"."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    table: str = Field(min_length=1, description="a text, as in table: orders")
    own_schema: str | None = Field(
        None, alias="schema", min_length=1, description="a text, as in schema: shop"
    )
    key: list[str] = Field(description="a list of columns, as in key: [id]")
    capture: CaptureMode = Field(description="one of row_version, cursor, log")
    cursor: list[str] = Field(description="a list of columns, as in cursor: [updated_at]")
    deletes: bool = Field(description="true or false")
    drift: DriftRule = Field(description="one of fail, evolve")
    ignored: list[str] = Field(description="a list of columns, as in ignored: [notes]")
    personal_data: list[str] = Field(description="a list of columns, as in personal_data: [email]")
    job: str = Field(min_length=1, description="a text, as in job: orders")
    schedule: CronLine | None = Field(None, description=CRON)
    late_minutes: int | None = Field(
        None, ge=1, description="a whole number of minutes, 1 or more, as in late_minutes: 90"
    )
    references: dict[str, str] = Field(
        {}, description="columns with the source of each, as in references: {buyer_id: buyers}"
    )


class SharedJobs(BaseModel):
    """What `jobs.yml` says: when the jobs that are not about one source run."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    full: CronLine | None = Field(None, description=CRON)
    monitoring: CronLine | None = Field(None, description=CRON)


class DeclaredColumn(BaseModel):
    """A column of a BigQuery schema."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(min_length=1, description="a text")
    type: str = Field(description="a text")
    mode: Literal["NULLABLE", "REQUIRED"] = Field(
        "NULLABLE", description="NULLABLE, or REQUIRED of a column of the key"
    )
    description: str = Field("", description="a text")


@dataclass(frozen=True)
class Reference:
    """A column of a source whose values are keys of another."""

    source: str
    column: str


@dataclass(frozen=True)
class Source:
    """One table of the source database and what the pipeline may rely on about it."""

    name: str
    table: str
    key: tuple[str, ...]
    capture: CaptureMode
    cursor: tuple[str, ...]
    captures_deletes: bool
    drift: DriftRule
    ignored: frozenset[str]
    personal_data: frozenset[str]
    columns: tuple[Column, ...]
    schema: str | None = None
    late_minutes: int | None = None
    job: str = ""
    references: Mapping[str, str] = field(default_factory=dict)

    def schema_in(self, usual: str) -> str:
        """Return the schema of the table: its own where it has one, else POSTGRES_SCHEMA."""
        return self.schema or usual

    def table_in(self, usual: str) -> str:
        """Return the table as people call it: `oltp.orders`."""
        return f"{self.schema_in(usual)}.{self.table}"

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def landing_columns(self) -> tuple[Column, ...]:
        """Columns of landing files and temp tables: the contract's, then the technical ones."""
        return self.columns + technical_columns()

    @property
    def landing_schema(self) -> pa.Schema:
        return arrow_schema(self.landing_columns)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.landing_columns)


def source_names() -> list[str]:
    """Return names of all sources, in the order of `sources.yml`.

    Raises SettingsError naming file and line where a contract is not well formed.
    """
    return list(declarations())


def load_source(name: str) -> Source:
    """Return the contract of one source.

    Raises SettingsError when it is unknown or not well formed.
    """
    if name not in declarations():
        known = ", ".join(declarations())
        raise SettingsError(f"There is no source '{name}'. sources.yml declares: {known}.")
    return read_source(name)


def read_source(name: str) -> Source:
    """Build a source that is declared; its schema is read again, since `evolve` adds to it."""
    return build_source(name, _sources().part(name), _read(contract_file(name)))


def contract_file(name: str) -> Path:
    """Return the BigQuery schema of a source."""
    return FOLDER / f"{name}.json"


def build_source(name: str, declared: Document, schema: Document) -> Source:
    """Check a section of `sources.yml` with its columns; raises SettingsError naming the fault."""
    found = check_declaration(name, declared)
    columns = check_columns(schema)
    known = {column.name: column for column in columns}
    for setting in ("key", "cursor", "personal_data", "references"):
        missing = [column for column in getattr(found, setting) if column not in known]
        if missing:
            raise declared.error(
                f"source '{name}': {setting} names {missing}, which {name}.json lacks.", setting
            )
    if not found.key or not all(known[column].is_required for column in found.key):
        raise declared.error(
            f"source '{name}': needs a key, and its columns must be REQUIRED.", "key"
        )
    other = [column for column in found.references if known[column].type != "STRING"]
    if other:
        raise declared.error(
            f"source '{name}': references names {other}, which must be STRING.", "references"
        )
    for position, column in enumerate(columns):
        if column.is_required and column.name not in found.key:
            raise schema.error(
                f"column '{column.name}' must be NULLABLE. Only columns of the key can be "
                "REQUIRED: in the row that says that a key is deleted all others are NULL.",
                position,
            )
    return Source(
        name=name,
        table=found.table,
        key=tuple(found.key),
        capture=found.capture,
        cursor=tuple(found.cursor),
        captures_deletes=found.deletes,
        drift=found.drift,
        ignored=frozenset(found.ignored),
        personal_data=frozenset(found.personal_data),
        columns=columns,
        schema=found.own_schema,
        late_minutes=found.late_minutes,
        job=found.job,
        references=found.references,
    )


def check_declaration(name: str, declared: Document) -> Declaration:
    """Return a section of `sources.yml`.

    Raises SettingsError naming file, line, source and setting.
    """
    if isinstance(declared.value, dict):
        declared = replace(declared, value={"job": name, **declared.value})
    found = declared.validate(Declaration, f"source '{name}'")
    if found.capture == "cursor" and not found.cursor:
        raise declared.error(
            f"source '{name}': capture: cursor needs the columns of the cursor.", "cursor"
        )
    return found


def check_columns(schema: Document) -> tuple[Column, ...]:
    """Return the columns of a BigQuery schema.

    Raises SettingsError naming file, line and column.
    """
    if not isinstance(schema.value, list):
        raise schema.error('write a list of columns, as in [{"name": "id", "type": "STRING"}].')
    columns: dict[str, Column] = {}
    for position in range(len(schema.value)):
        one = schema.part(position)
        found = one.validate(DeclaredColumn, f"column {position + 1}")
        if found.type not in TYPES:
            raise one.error(
                f"column '{found.name}' has type {found.type}; supported are {', '.join(TYPES)}.",
                "type",
            )
        if found.name in columns:
            raise one.error(f"column '{found.name}' is there twice.", "name")
        columns[found.name] = Column(**found.model_dump())
    return tuple(columns.values())


@cache
def technical_columns() -> tuple[Column, ...]:
    """Return the columns that every landing file has after the contract's own."""
    return check_columns(_read(contract_file(TECHNICAL)))


@cache
def declarations() -> dict[str, Declaration]:
    """Return what `sources.yml` declares, by source; raises SettingsError naming file and line.

    Of `jobs.yml` and the schemas, too, so that every command finds a fault and not some of them.
    """
    shared_jobs()
    found = check_declarations(_sources())
    for name in found:
        read_source(name)
    return found


def check_declarations(document: Document) -> dict[str, Declaration]:
    """Return every section of `sources.yml`, and what they say of each other."""
    if not isinstance(document.value, dict):
        raise document.error("write one mapping per source.")
    found = {}
    for name in document.value:
        if not isinstance(name, str):
            raise document.error(f"the name of a source must be a text, not {name}.", str(name))
        found[name] = check_declaration(name, document.part(name))
    jobs: dict[str, str] = dict.fromkeys(SharedJobs.model_fields, JOBS.name)
    for name, declared in found.items():
        if declared.job in jobs:
            raise document.error(
                f"source '{name}': the job '{declared.job}' is that of {jobs[declared.job]}.",
                *(name, "job"),
            )
        jobs[declared.job] = name
        for column, other in declared.references.items():
            if other not in found or len(found[other].key) != 1:
                raise document.error(
                    f"source '{name}': {column} references {other}, which is no source with a key "
                    "of one column.",
                    *(name, "references", column),
                )
    return found


def references_to(name: str) -> list[Reference]:
    """Return the columns of other sources whose values are keys of this one."""
    return [
        Reference(source, column)
        for source, declared in declarations().items()
        for column, other in declared.references.items()
        if other == name
    ]


@cache
def shared_jobs() -> SharedJobs:
    """Return what `jobs.yml` says; raises SettingsError naming file and line."""
    return _read(JOBS).validate(SharedJobs, "jobs")


@cache
def _sources() -> Document:
    for old, new in FORMER.items():
        if old.exists():
            raise SettingsError(
                f"{_name(old)} is no longer read: move what you changed in it to {_name(new)}, "
                "then delete it."
            )
    return _read(SOURCES)


def _read(path: Path) -> Document:
    return read_document(path, _name(path))


def _name(path: Path) -> str:
    """Return the file as errors call it: `lib/contracts/sources.yml`."""
    return path.relative_to(LIB.parent).as_posix()
