"""dbt, in process: the same project that `dbt build` runs by hand with the same variables."""

import hashlib
import os
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from google.api_core.exceptions import ServiceUnavailable

from credix.clients.dbt_call import call_dbt
from credix.clients.dbt_faults import bound_requests, failed_build, passes_by_itself
from credix.clients.dbt_results import add_lines, describe_result
from credix.clients.effects import Effects
from credix.clients.job_records import JobRecord, is_measured_by, known, limit_error, names_limit
from credix.errors import SettingsError, StepError
from credix.foreign_text import without_values
from credix.settings import PROJECT_DIR, Settings

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult

PROJECT = PROJECT_DIR / "dbt" / "business_case"
PARSE_CACHE = "partial_parse.msgpack"
# Where GoogleSQL finds fault with a statement.
PLACE = re.compile(r" at \[(?P<line>\d+):(?P<column>\d+)\]")
# What dbt writes before each statement: node, versions, profile.
COMMENT_LINES = 1
LONGEST_MESSAGE, LONGEST_END = 500, 60
FAILED = {"error", "fail", "runtime error", "partial success"}


@dataclass(frozen=True)
class DbtNode:
    """The result of one model or test; `table` is what a test looks at."""

    name: str
    kind: str
    table: str
    status: str
    rows: int | None
    failures: int | None
    bytes_processed: int | None
    bytes_billed: int | None
    job_id: str | None
    seconds: float
    message: str


class Dbt:
    """Runs dbt for one run; its target folder is the run's own, the parse cache is shared."""

    def __init__(
        self,
        settings: Settings,
        effects: Effects,
        folder: Path,
        project: Path | None = None,
    ) -> None:
        self.settings, self.effects = settings, effects
        self.folder, self.project = folder, project or PROJECT
        self.target = folder / "dbt"
        caches = settings.run_dir.parent / "dbt" / settings.prefix
        self.cache = caches / f"{self.project.name}.{PARSE_CACHE}"

    def build(
        self, effect: str, selectors: Sequence[str], values: Mapping[str, str]
    ) -> list[DbtNode]:
        """Build models and run their tests; raises DataError naming what failed.

        What became of each is kept in the run's folder, whether or not it failed.
        """
        command = ["build", "--exclude-resource-type", "unit_test"]
        result, nodes = self._execute(effect, command, selectors, values)
        add_lines(self.folder, describe_results(result, selectors))
        failed = [node for node in nodes if node.status in FAILED]
        if failed:
            over = next((node for node in failed if names_limit(node.message)), None)
            if over:
                raise limit_error(self.settings, f"dbt {over.kind} {over.name}", over.message)
            raise failed_build(failed, len(nodes))
        return nodes

    def execute(
        self, effect: str, command: str, selectors: Sequence[str], values: Mapping[str, str]
    ) -> list[DbtNode]:
        """Run a command of dbt, such as `test`; a node that fails is told by its status."""
        return self._execute(effect, [command], selectors, values)[1]

    def _execute(
        self,
        effect: str,
        command: Sequence[str],
        selectors: Sequence[str],
        values: Mapping[str, str],
    ) -> tuple["dbtRunnerResult", list[DbtNode]]:
        """Raises SettingsError where dbt did not come to any node."""
        arguments = [*command, "--select", *selectors]
        target = f"dbt {' '.join(selectors)}"
        result = self.effects.perform(effect, target, lambda: self._start(arguments, values))
        nodes = read_nodes(result, is_measured=is_measured_by(self.settings))
        self.effects.jobs.extend(job_of(node) for node in nodes)
        has_failed = any(node.status in FAILED for node in nodes)
        if not has_failed and (result.exception or not result.success):
            raise SettingsError(f"dbt could not start: {in_one_line(result.exception)}")
        if not nodes:
            raise SettingsError(f"dbt selected nothing with {' '.join(selectors)}.")
        return result, nodes

    def _start(self, arguments: Sequence[str], values: Mapping[str, str]) -> "dbtRunnerResult":
        """Raises ServiceUnavailable where BigQuery failed for now before dbt came to any node."""
        result = self._invoke(arguments, values)
        if not getattr(result.result, "results", None) and passes_by_itself(result.exception):
            raise ServiceUnavailable(in_one_line(result.exception))
        return result

    def parse(self) -> None:
        """Read the project and keep what was read for the next build."""
        self._invoke(["parse"], {})

    def document(self) -> bytes:
        """Dbt's page of catalog and lineage, which opens without a network.

        Raises StepError when dbt does not write it.
        """
        command = ["docs", "generate", "--static"]
        with warnings.catch_warnings():
            # A library of dbt warns of a column that BigQuery's catalog does not have.
            warnings.filterwarnings("ignore", category=RuntimeWarning, module="agate")
            result = self.effects.perform(
                "dbt.document", "dbt docs", lambda: self._invoke(command, {}, is_written=True)
            )
        page = self.target / "static_index.html"
        if not page.exists():
            raise StepError(f"dbt wrote no catalog: {in_one_line(result.exception)}")
        content = page.read_bytes()
        # Where this machine keeps its files is nobody's business.
        for folder, name in ((self.target, b"target"), (self.project, b".")):
            content = content.replace(str(folder).encode(), name)
        return content

    def executed_sql(self, model: str) -> str:
        """The statement that the last build sent for a model."""
        found = sorted(self.target.glob(f"run/*/models/**/{model}.sql"))
        return found[0].read_text("utf-8").strip() if found else ""

    def _invoke(
        self, arguments: Sequence[str], values: Mapping[str, str], *, is_written: bool = False
    ) -> "dbtRunnerResult":
        """Call dbt; `is_written` lets it write what its documents are made of."""
        self.target.mkdir(parents=True, exist_ok=True)
        if self.cache.exists() and not (self.target / PARSE_CACHE).exists():
            shutil.copyfile(self.cache, self.target / PARSE_CACHE)
        folders = {
            "--project-dir": self.project,
            "--profiles-dir": PROJECT,
            "--target-path": self.target,
            "--log-path": self.target / "logs",
        }
        options = [part for name, path in folders.items() for part in (name, str(path))]
        # Results come back in process: nobody reads manifest.json and run_results.json.
        options += ["--quiet", "--write-json" if is_written else "--no-write-json"]
        command = [*arguments, "--target", self.settings.env]
        bound_requests(self.settings)
        result = call_dbt(command, options, {**self.settings.variables(), **values})
        self._keep_parse_cache()
        return result

    def _keep_parse_cache(self) -> None:
        """A replaced file, never a half written one: other runs read it."""
        fresh = self.target / PARSE_CACHE
        if fresh.exists():
            self.cache.parent.mkdir(parents=True, exist_ok=True)
            beside = self.cache.with_name(f"{self.cache.name}.{os.getpid()}")
            shutil.copyfile(fresh, beside)
            beside.replace(self.cache)


def warm_up() -> None:
    """Let dbt read its project once in this process: the first time costs it a second more."""
    settings = Settings.load()
    with TemporaryDirectory() as folder:
        Dbt(settings, Effects(), Path(folder)).parse()


def project_fingerprint() -> str:
    """What decides the rows of silver and gold, as a hash: the project's models and macros."""
    files = [PROJECT / "dbt_project.yml"]
    for folder in ("models", "macros"):
        files += sorted(path for path in (PROJECT / folder).rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(PROJECT).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def model_names(layer: str) -> set[str]:
    """The tables of a layer."""
    return {model for model, of in layer_of_models().items() if of == layer}


def layer_of_models() -> dict[str, str]:
    """The layer of each model."""
    return {path.stem: path.parent.name for path in (PROJECT / "models").glob("*/*.sql")}


def read_nodes(result: "dbtRunnerResult", *, is_measured: bool) -> list[DbtNode]:
    executed: Any = getattr(result.result, "results", None) or []
    return [
        DbtNode(
            name=item.node.name,
            kind=str(item.node.resource_type),
            table=table_of(item.node),
            status=str(item.status),
            rows=(item.adapter_response or {}).get("rows_affected"),
            failures=item.failures,
            bytes_processed=known(
                (item.adapter_response or {}).get("bytes_processed"), is_measured=is_measured
            ),
            bytes_billed=known(
                (item.adapter_response or {}).get("bytes_billed"), is_measured=is_measured
            ),
            job_id=(item.adapter_response or {}).get("job_id"),
            seconds=round(item.execution_time, 3),
            message=name_line(in_one_line(item.message), *texts_of(item.node)),
        )
        for item in executed
    ]


def table_of(node: Any) -> str:
    """The model itself, or the model or source that a test looks at first: `gold.summary`."""
    first = next(iter(node.depends_on.nodes), "") if node.resource_type == "test" else ""
    return ".".join(first.split(".")[2:]) or node.name


def describe_results(
    result: "dbtRunnerResult", selectors: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """One line per node that dbt has come to."""
    from dbt_common.invocation import get_invocation_id

    call = {"invocation_id": get_invocation_id(), "selected": " ".join(selectors)}
    ended = datetime.now(UTC)
    for item in getattr(result.result, "results", None) or []:
        yield {**call, **describe_result(item, in_one_line(item.message), ended)}


def texts_of(node: Any) -> tuple[str, str]:
    """The statement of a node without dbt's comment, and the compiled SQL that is part of it."""
    path = Path(getattr(node, "build_path", None) or "")
    sent = path.read_text("utf-8") if path.is_file() else ""
    return sent, getattr(node, "compiled_code", None) or ""


def name_line(message: str, sent: str, compiled: str) -> str:
    """A message about a place in the statement, with the line of the compiled SQL."""
    place = PLACE.search(message)
    begin = sent.find(compiled.strip()) if compiled.strip() else -1
    if place is None or begin < 0:
        return message
    line = int(place["line"]) - COMMENT_LINES - sent.count("\n", 0, begin)
    if not 1 <= line <= compiled.strip().count("\n") + 1:
        return message
    return f"{message} (line {line} of the compiled SQL)"


def job_of(node: DbtNode) -> JobRecord:
    return JobRecord(
        kind="dbt",
        name=f"dbt.{node.kind}",
        target=node.name,
        job_id=node.job_id,
        bytes_processed=node.bytes_processed,
        bytes_billed=node.bytes_billed,
    )


def in_one_line(message: object) -> str:
    """Dbt's messages in one line, without its paths below `target` and values of a row."""
    text = without_values(str(message or ""))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = " ".join(line for line in lines if not line.startswith("compiled code at"))
    if len(told) <= LONGEST_MESSAGE:
        return told
    # Google names the place of a fault at the end.
    return f"{told[: LONGEST_MESSAGE - LONGEST_END]} … {told[-LONGEST_END:]}"
