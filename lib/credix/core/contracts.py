"""The source contracts: which tables are carried, by which key, with which columns."""

import json
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa

from credix.core.column_types import TYPES, Column, arrow_schema, fingerprint
from credix.core.errors import SettingsError

CaptureMode = Literal["row_version", "cursor", "log"]

DriftRule = Literal["fail", "evolve"]

FOLDER = Path(__file__).parents[1] / "sources"
DECLARATIONS = FOLDER / "sources.toml"
FIELDS = {"table", "key", "capture", "cursor", "deletes", "drift", "ignored", "personal_data"}
OPTIONAL = {"schema", "late_minutes"}
LISTS = ("key", "cursor", "ignored", "personal_data")


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

    def schema_in(self, usual: str) -> str:
        """The schema of the table: its own where it has one, else POSTGRES_SCHEMA."""
        return self.schema or usual

    def table_in(self, usual: str) -> str:
        """The table as people call it: `oltp.business_case_installments`."""
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
    """Names of all sources, in the order of `sources.toml`.

    Raises SettingsError naming file and line where that file is not TOML.
    """
    return list(_declared())


def load_source(name: str) -> Source:
    """The contract of one source; raises SettingsError when it is unknown or not well formed."""
    if name not in _declared():
        known = ", ".join(_declared())
        raise SettingsError(f"There is no source '{name}'. sources.toml declares: {known}.")
    return build_source(name, _declared()[name], _read_json(f"{name}.json"))


def build_source(name: str, declared: dict[str, Any], columns: list[dict[str, str]]) -> Source:
    """Check one table of `sources.toml` and its columns; raises SettingsError naming the fault."""
    where = f"Source '{name}' in sources.toml"
    wrong = sorted((set(declared) - OPTIONAL) ^ FIELDS)
    if wrong:
        raise SettingsError(f"{where}: missing or unknown settings: {', '.join(wrong)}.")
    for setting in ("table", "schema"):
        if not isinstance(declared.get(setting, ""), str):
            raise SettingsError(f'{where}: {setting} must be a text, as in {setting} = "orders".')
    for setting in LISTS:
        if not is_list_of_texts(declared[setting]):
            raise SettingsError(f'{where}: {setting} must be a list, as in {setting} = ["id"].')
    if declared["capture"] not in get_args(CaptureMode):
        raise SettingsError(f"{where}: capture must be one of {', '.join(get_args(CaptureMode))}.")
    if declared["drift"] not in get_args(DriftRule):
        raise SettingsError(f"{where}: drift must be one of {', '.join(get_args(DriftRule))}.")
    if declared["capture"] == "cursor" and not declared["cursor"]:
        raise SettingsError(f'{where}: capture = "cursor" needs the columns of the cursor.')
    if not isinstance(declared["deletes"], bool):
        raise SettingsError(f"{where}: deletes must be true or false.")
    late = declared.get("late_minutes")
    if late is not None and (type(late) is not int or late < 1):
        raise SettingsError(f"{where}: late_minutes must be a whole number of minutes, 1 or more.")
    parsed = tuple(Column(**column) for column in columns)
    known = {column.name: column for column in parsed}
    for column in parsed:
        if column.type not in TYPES:
            raise SettingsError(
                f"{name}.json: column '{column.name}' has type {column.type}; "
                f"supported are {', '.join(TYPES)}."
            )
    for setting in ("key", "cursor", "personal_data"):
        missing = [column for column in declared[setting] if column not in known]
        if missing:
            raise SettingsError(f"{where}: {setting} names {missing}, which {name}.json lacks.")
    if not declared["key"] or not all(known[column].is_required for column in declared["key"]):
        raise SettingsError(f"{where}: needs a key, and its columns must be REQUIRED.")
    required = [c.name for c in parsed if c.is_required and c.name not in declared["key"]]
    if required:
        raise SettingsError(
            f"{name}.json: {', '.join(required)} must be NULLABLE. Only columns of the key can be "
            "REQUIRED: in the row that says that a key is deleted all others are NULL."
        )
    return Source(
        name=name,
        table=declared["table"],
        key=tuple(declared["key"]),
        capture=declared["capture"],
        cursor=tuple(declared["cursor"]),
        captures_deletes=declared["deletes"],
        drift=declared["drift"],
        ignored=frozenset(declared["ignored"]),
        personal_data=frozenset(declared["personal_data"]),
        columns=parsed,
        schema=declared.get("schema"),
        late_minutes=late,
    )


def is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


@cache
def technical_columns() -> tuple[Column, ...]:
    """The columns that every landing file carries behind the contract's own."""
    return tuple(Column(**column) for column in _read_json("technical.json"))


@cache
def _declared() -> dict[str, dict[str, Any]]:
    return read_declarations(DECLARATIONS)


def read_declarations(path: Path) -> dict[str, dict[str, Any]]:
    """Parse the declared sources; raises SettingsError naming the file, and the line at fault."""
    try:
        declared = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}. Correct it there.") from None
    loose = [name for name, table in declared.items() if not isinstance(table, dict)]
    if loose:
        raise SettingsError(
            f"{path}: {', '.join(loose)} belongs to no source. Write it below the line [source] "
            "that it is a setting of."
        )
    return declared


def _read_json(file_name: str) -> list[dict[str, str]]:
    try:
        return json.loads((FOLDER / file_name).read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError) as error:
        raise SettingsError(f"The contract {file_name} cannot be read: {error}.") from error
