"""Google's analyzer in front of the local server: what BigQuery refuses is not run.

Every query, statement of a script and dry run is judged with the schemas of the server's catalog,
and refused in Google's words. Where the analyzer cannot say, the server decides alone: when the
wheel is not installed, when a limit of the analyzer is met, and for what BigQuery has beside
GoogleSQL (`BEYOND_GOOGLESQL`). Tables that do not exist are left to the server, too, which answers
as BigQuery does.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from bqemulator.api.dependencies import AppContext
from bqemulator.api.routes import jobs
from bqemulator.catalog.models import TableFieldSchema, TableMeta
from bqemulator.catalog.repository import CatalogRepository
from bqemulator.domain.errors import InvalidQueryError
from bqemulator.observability.logging_ import get_logger
from bqemulator.scripting.frames import FrameStack
from bqemulator.scripting.interpreter import ScriptInterpreter
from sqlglot import exp
from sqlglot.errors import SqlglotError

from credix_local.bigquery.googlesql.installation import WHEELS, is_installed
from credix_local.bigquery.patching import replace
from credix_local.bigquery.repairs_statements import parse_shared

if TYPE_CHECKING:
    from credix_local.bigquery.googlesql.analyzer import Analyzer, Names, Parameters
    from credix_local.bigquery.googlesql.tables import Field, Table

MOST_VERDICTS = 4_000
MOST_MISSING_TABLES = 8
# Functions and table functions of BigQuery that GoogleSQL's published code does not have.
BEYOND_GOOGLESQL = re.compile(
    r"\b(?:ai|bqutil|ml|obj)\.|\b(?:appends|bag_of_words|changes|contains_substr|collate"
    r"|dlp_\w+|external_object_transform|external_query|gap_fill|json_flatten|max_by|min_by"
    r"|normalize\w*|nullifzero|range_sessionize|search|text_analyze|tf_idf|vector_search"
    r"|zeroifnull)\b",
    re.IGNORECASE,
)
UNKNOWN_NAME = re.compile(
    r"^(?P<kind>Table|Function|Table-valued function) not found: (?P<name>[^;]*?)"
    r"(?:; Did you mean .*)? at \[\d+:\d+\]$",
    re.DOTALL,
)
# What changes from run to run without changing what a statement means: names that end in a hash,
# and numbers of four digits and more. Texts and comments are kept apart: they come first.
VARYING = re.compile(
    r"(?P<comment>--[^\n]*|/\*.*?\*/)"
    r"|(?P<text>[rRbB]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"))"
    r"|(?<=_)[0-9a-f]{12}(?![0-9a-z])|\b[0-9]{4,18}\b",
    re.DOTALL,
)

PROCEDURAL = re.compile(
    r"(?:\w+\s*:\s*)?(?:begin|call|case|declare|execute|for|if|iterate|leave|loop|raise|repeat|return"
    r"|set|while)\b",
    re.IGNORECASE,
)
ARRAY = re.compile(r"ARRAY\s*<(.*)>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Sent:
    """A statement as the client sent it, and the dataset of the names that have none."""

    sql: str
    dataset: tuple[str, str] | None


# The server writes a default dataset into the statement, and with it the statement again.
SENT: ContextVar[Sent | None] = ContextVar("sent", default=None)


def apply() -> None:
    """Judge each statement before the server runs it, where the analyzer is installed."""
    if not is_installed():
        get_logger(__name__).warning(
            "googlesql.missing",
            message="Statements are not judged by Google's analyzer: "
            f"the packages {' and '.join(WHEELS)} are not installed.",
        )
        return
    from credix_local.bigquery.googlesql.analyzer import Analyzer

    judge = Judge(Analyzer())
    judge_queries(judge)
    judge_dry_runs(judge)
    judge_scripts(judge)


def judge_queries(judge: "Judge") -> None:
    """A query is judged as a whole; a script is parsed, its statements are judged as they run."""

    async def handle(project: str, job_id: str, config: dict[str, Any], **options: Any) -> Any:
        query = config["query"]
        default = query.get("defaultDataset")
        dataset = (default.get("projectId", project), default["datasetId"]) if default else None
        SENT.set(None if query.get("useLegacySql") else Sent(query.get("query", ""), dataset))
        return await original_handle(project, job_id, config, **options)

    async def execute(
        project: str, job_id: str, sql: str, parameters: Any, ctx: AppContext, **options: Any
    ) -> Any:
        judge.require(SENT.get() or Sent(sql, None), project, ctx.catalog, parameters)
        return await original_execute(project, job_id, sql, parameters, ctx, **options)

    original_handle = replace(jobs, "_handle_query_job", handle)
    original_execute = replace(jobs, "execute_query_job", execute)


def judge_dry_runs(judge: "Judge") -> None:
    """The server does not execute a dry run that changes something: it is judged all the same."""

    async def respond(
        *, project_id: str, bq_sql: str, query_params: Any, ctx: AppContext, **options: Any
    ) -> Any:
        judge.require(SENT.get() or Sent(bq_sql, None), project_id, ctx.catalog, query_params)
        return await original(
            project_id=project_id, bq_sql=bq_sql, query_params=query_params, ctx=ctx, **options
        )

    original = replace(jobs, "_dry_run_response", respond)


def judge_scripts(judge: "Judge") -> None:
    """Each statement of a script is judged when it runs: earlier ones may have made its tables."""

    async def run_query(self: ScriptInterpreter, sql: str) -> pa.Table:
        variables = variables_of(self._frames)
        if variables is not None:
            judge.require_statement(
                Sent(sql, None), self._project_id, self._ctx.catalog, variables=variables
            )
        found: pa.Table = await original(self, sql)
        return found

    original = replace(ScriptInterpreter, "_run_query", run_query)


class Judge:
    """Asks the analyzer, and remembers what it has accepted."""

    def __init__(self, analyzer: "Analyzer") -> None:
        self.analyzer = analyzer
        self._accepted: OrderedDict[object, None] = OrderedDict()

    def require(
        self, sent: Sent, project: str, catalog: CatalogRepository, parameters: Any = None
    ) -> None:
        """Raise InvalidQueryError for a statement or script that BigQuery refuses."""
        from credix_local.bigquery.googlesql.engine import EngineError, StatementRefusedError

        if not is_script(sent.sql):
            self.require_statement(sent, project, catalog, parameters)
            return
        try:
            self.analyzer.check_script(sent.sql)
        except StatementRefusedError as refused:
            raise InvalidQueryError(refused.message, location="query") from None
        except EngineError as error:
            not_judged(error)

    def require_statement(
        self,
        sent: Sent,
        project: str,
        catalog: CatalogRepository,
        parameters: Any = None,
        variables: tuple["Field", ...] = (),
    ) -> None:
        """Raise InvalidQueryError for a single statement that BigQuery refuses."""
        from credix_local.bigquery.googlesql.analyzer import Names

        names = Names(project, sent.dataset, read_parameters(parameters), variables)
        message = self._refusal(sent.sql, names, catalog)
        if message is not None:
            raise InvalidQueryError(message, location="query")

    def _refusal(self, sql: str, names: "Names", catalog: CatalogRepository) -> str | None:
        from credix_local.bigquery.googlesql.engine import EngineError, StatementRefusedError

        tables = set(find_tables(named_tables(sql), names, catalog))
        for _ in range(MOST_MISSING_TABLES):
            shapes = frozenset((as_shape(".".join(one.path)), one.fields) for one in tables)
            key = (as_shape(sql), shapes, names)
            if key in self._accepted:
                self._accepted.move_to_end(key)
                return None
            try:
                self.analyzer.check_statement(sql, frozenset(tables), names)
            except StatementRefusedError as refused:
                unknown = UNKNOWN_NAME.match(refused.message)
                if unknown is None:
                    return refused.message
                if unknown["kind"] != "Table":
                    if not is_beyond(unknown["name"]):
                        return refused.message
                    not_judged(refused)
                    return None
                path = tuple(unknown["name"].replace("`", "").split("."))
                found = set(find_tables([path], names, catalog)) - tables
                if not found:
                    return None
                tables |= found
            except (EngineError, ValueError) as error:
                not_judged(error)
                return None
            else:
                self._accepted[key] = None
                if len(self._accepted) > MOST_VERDICTS:
                    self._accepted.popitem(last=False)
                return None
        return None


def not_judged(error: Exception) -> None:
    """Leave a statement to the server, and say why in its log."""
    get_logger(__name__).warning("googlesql.not_judged", error=str(error))


def is_beyond(name: str) -> bool:
    """Return whether a function may be one of BigQuery's own, or one that a user has created."""
    return "." in name or BEYOND_GOOGLESQL.fullmatch(name) is not None


def as_shape(sql: str) -> str:
    """Return a statement without what varies from run to run."""
    return VARYING.sub(lambda found: found["text"] or ("" if found["comment"] else "#"), sql)


@lru_cache(MOST_VERDICTS)
def is_script(sql: str) -> bool:
    """Return whether this is more than one statement, or one of the procedural language."""
    code = VARYING.sub(lambda found: "''" if found["text"] else "", sql).strip().rstrip("; \n\t")
    return ";" in code or PROCEDURAL.match(code) is not None


def named_tables(sql: str) -> Iterator[tuple[str, ...]]:
    """Yield the paths of tables in a statement; some may be none, as the fields of an array."""
    try:
        tree = parse_shared(sql)
    except SqlglotError:
        return
    for table in tree.find_all(exp.Table):
        yield tuple(part for one in table.parts for part in one.name.split("."))


def find_tables(
    paths: Iterable[tuple[str, ...]], names: "Names", catalog: CatalogRepository
) -> Iterator["Table"]:
    """The tables and metadata views of these paths that the server has, each by its whole path."""
    from credix_local.bigquery.googlesql.metadata_views import is_metadata_view, view_fields
    from credix_local.bigquery.googlesql.tables import Table

    for path in paths:
        if is_metadata_view(path):
            fields = view_fields(path[-1])
            if fields is not None:
                yield Table(path if path[0] == names.project else (names.project, *path), fields)
            continue
        whole = names.whole_path(path)
        if whole is None:
            continue
        found = catalog.get_table(*whole)
        if found is not None and found.schema_.fields:
            yield Table(whole, tuple(fields_of(found)))


def fields_of(table: TableMeta) -> Iterator["Field"]:
    """The columns of a table, with those that BigQuery adds to one partitioned by ingestion."""
    from credix_local.bigquery.googlesql.tables import Field

    for field in table.schema_.fields:
        yield as_field(field)
    if table.time_partitioning is not None and table.time_partitioning.field is None:
        yield Field("_PARTITIONTIME", "TIMESTAMP", is_pseudo=True)
        yield Field("_PARTITIONDATE", "DATE", is_pseudo=True)


def as_field(field: TableFieldSchema) -> "Field":
    from credix_local.bigquery.googlesql.tables import Field

    return Field(field.name, field.type, field.mode, tuple(map(as_field, field.fields)))


def read_parameters(parameters: list[dict[str, Any]] | None) -> "Parameters":
    """Return a job's query parameters from their form in REST."""
    from credix_local.bigquery.googlesql.analyzer import Parameters

    fields = tuple(
        parameter_field(one.get("name") or "", one["parameterType"]) for one in parameters or ()
    )
    if fields and not fields[0].name:
        return Parameters(by_position=fields)
    return Parameters(by_name=fields)


def parameter_field(name: str, kind: Mapping[str, Any]) -> "Field":
    from credix_local.bigquery.googlesql.tables import Field

    if kind["type"] == "ARRAY":
        element = parameter_field(name, kind["arrayType"])
        return Field(name, element.type, "REPEATED", element.fields)
    inner = kind.get("structTypes", ())
    fields = tuple(parameter_field(one.get("name", ""), one["type"]) for one in inner)
    return Field(name, kind["type"], "NULLABLE", fields)


def variables_of(frames: FrameStack) -> tuple["Field", ...] | None:
    """Return the variables that a script sees.

    None where the server does not know the type of one.
    """
    from credix_local.bigquery.googlesql.tables import Field, field_type

    found = []
    for name, variable in frames.all_visible().items():
        array = ARRAY.fullmatch(variable.type_name)
        kind = (array[1] if array else variable.type_name).strip()
        field = Field(name, kind, "REPEATED" if array else "NULLABLE")
        try:
            field_type(field)
        except ValueError:
            return None
        found.append(field)
    return tuple(found)
