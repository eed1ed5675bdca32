"""Judges statements as BigQuery's front end does: syntax, names, types, and layouts of tables."""

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as service

from credix_local.bigquery.googlesql.engine import Engine, StatementRefusedError
from credix_local.bigquery.googlesql.language import analyzer_options, language_options
from credix_local.bigquery.googlesql.layout import check_layout
from credix_local.bigquery.googlesql.tables import Field, Table, catalog_message, field_type

# Each also holds BigQuery's functions, some hundred kilobytes.
MOST_CATALOGS = 32
TOKEN = re.compile(
    r"(?P<other>--[^\n]*|\#[^\n]*|/\*.*?\*/"
    r"|[rRbB]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"))"
    r"|`(?P<name>[^`\n]*)`",
    re.DOTALL,
)
PLACE = re.compile(r" ?\[at (?P<line>\d+):(?P<column>\d+)\]$")
LAYOUT = re.compile(r"\bcreate\b.*\b(?:partition|cluster)\s+by\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Parameters:
    """The query parameters of a job: by name, or by position."""

    by_name: tuple[Field, ...] = ()
    by_position: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Names:
    """What names of a statement mean besides tables.

    `project` holds tables that are named without one, `dataset` (a project and a dataset) those
    that are named alone. `variables` are those of the script around the statement.
    """

    project: str
    dataset: tuple[str, str] | None = None
    parameters: Parameters = field(default_factory=Parameters)
    variables: tuple[Field, ...] = ()

    def whole_path(self, path: tuple[str, ...]) -> tuple[str, str, str] | None:
        """Project, dataset and table of a name; None where it cannot be one."""
        if len(path) == 1 and self.dataset is not None:
            return (*self.dataset, path[0])
        if len(path) == 2:
            return (self.project, path[0], path[1])
        return (path[0], path[1], path[2]) if len(path) == 3 else None


class Analyzer:
    """Google's analyzer with BigQuery's options. Calls must not overlap."""

    def __init__(self) -> None:
        self._engine = Engine()
        self._generation = self._engine.generation
        self._catalogs: OrderedDict[object, int] = OrderedDict()

    def check_statement(self, sql: str, tables: frozenset[Table], names: Names) -> None:
        """Analyze one statement.

        Args:
            sql: The statement, as it is sent to BigQuery.
            tables: The tables that it names, as far as they exist, by their whole paths.
            names: What other names mean.

        Raises:
            StatementRefusedError: BigQuery refuses the statement.
            EngineError: The analyzer cannot say.
            ValueError: A column or parameter has a type that GoogleSQL does not have.
        """
        request = service.AnalyzeRequest(
            options=analyzer_options(
                [(one.name, field_type(one)) for one in names.parameters.by_name],
                [field_type(one) for one in names.parameters.by_position],
            ),
            registered_catalog_id=self._register(tables, names),
        )
        answer = self._ask("Analyze", request, sql)
        if LAYOUT.search(sql):
            try:
                resolved = service.AnalyzeResponse.FromString(answer).resolved_statement
            except DecodeError:  # Nested deeper than protobuf reads, and accepted all the same.
                return
            check_layout(resolved)

    def check_script(self, sql: str) -> None:
        """Parse a script as a whole; its statements are judged when they run.

        Raises StatementRefusedError where it cannot be parsed.
        """
        request = service.ParseRequest(options=language_options(), allow_script=True)
        self._ask("Parse", request, sql)

    def table_names(self, sql: str) -> set[tuple[str, ...]]:
        """Return the tables that a statement names, without those of its own WITH clauses.

        Raises StatementRefusedError where the statement cannot be parsed.
        """
        request = service.ExtractTableNamesFromStatementRequest(options=language_options())
        answer = self._ask("ExtractTableNamesFromStatement", request, sql)
        found = service.ExtractTableNamesFromStatementResponse.FromString(answer)
        return {tuple(name.table_name_segment) for name in found.table_name}

    def _ask(
        self,
        method: str,
        request: service.AnalyzeRequest
        | service.ParseRequest
        | service.ExtractTableNamesFromStatementRequest,
        sql: str,
    ) -> bytes:
        request.sql_statement = split_paths(sql)
        try:
            return self._engine.call(method, request)
        except StatementRefusedError as refusal:
            raise StatementRefusedError(as_bigquery_says_it(refusal.message, sql)) from None

    def _register(self, tables: frozenset[Table], names: Names) -> int:
        """Return the number of a catalog with these tables.

        It is sent when it is asked for first.
        """
        if self._generation != self._engine.generation:
            self._catalogs.clear()
            self._generation = self._engine.generation
        key = (tables, names.project, names.dataset, names.variables)
        if key not in self._catalogs:
            if len(self._catalogs) >= MOST_CATALOGS:
                oldest = self._catalogs.popitem(last=False)[1]
                self._engine.call(
                    "UnregisterCatalog", service.UnregisterRequest(registered_id=oldest)
                )
            catalog = catalog_message(
                {table: list(shorter_paths(table, names)) for table in tables},
                names.variables,
                language_options(),
            )
            answer = self._engine.call(
                "RegisterCatalog", service.RegisterCatalogRequest(simple_catalog=catalog)
            )
            self._catalogs[key] = service.RegisterResponse.FromString(answer).registered_id
        self._catalogs.move_to_end(key)
        return self._catalogs[key]


def shorter_paths(table: Table, names: Names) -> Iterator[tuple[str, ...]]:
    """Yield the names by which a statement may call a table."""
    yield table.path
    if table.path[0] == names.project:
        yield table.path[1:]
    if table.path[:2] == names.dataset:
        yield table.path[2:]


def split_paths(sql: str) -> str:
    """Return the statement with each `project.dataset.table` in quotes of its own per part.

    BigQuery splits such a name itself; to GoogleSQL it is one name with dots.
    """

    def split(found: re.Match[str]) -> str:
        name = found["name"]
        # A role of GRANT, such as `roles/bigquery.dataViewer`, is one name.
        if name is None or "." not in name or "/" in name:
            return found.group()
        return ".".join(f"`{part}`" for part in name.split("."))

    return TOKEN.sub(split, sql)


def as_bigquery_says_it(message: str, sql: str) -> str:
    """GoogleSQL's message with the place in the statement as it was sent: `… at [7:13]`."""
    found = PLACE.search(message)
    if found is None:
        return message
    line, column = int(found["line"]), int(found["column"])
    lines = sql.splitlines()
    if line <= len(lines):
        column -= added_before(lines[line - 1], column)
    return f"{message[: found.start()]} at [{line}:{column}]"


def added_before(line: str, column: int) -> int:
    """How many characters `split_paths` has added to a line before a column of its result."""
    added = 0
    for found in TOKEN.finditer(line):
        name = found["name"]
        if name is None or "." not in name or "/" in name:
            continue
        for place in (found.start("name") + at for at, letter in enumerate(name) if letter == "."):
            if place + 1 + added + 2 <= column:
                added += 2
    return added
