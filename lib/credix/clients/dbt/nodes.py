"""The results of dbt's models and tests, as values."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credix.clients.bigquery.job_records import known
from credix.clients.dbt.faults import fault_of_node
from credix.clients.dbt.results import describe_result
from credix.core.redaction import without_values
from credix.core.results import FAILED, DbtNode, JobRecord

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult

# Where GoogleSQL finds fault with a statement.
PLACE = re.compile(r" at \[(?P<line>\d+):(?P<column>\d+)\]")
# What dbt writes before each statement: node, versions, profile.
COMMENT_LINES = 1
LONGEST_MESSAGE, LONGEST_END = 500, 60
SKIPPED = "skipped"
HOOK = "operation"


@dataclass(frozen=True)
class Outcome:
    """What one call of dbt came to at one node.

    `selector` selects it alone, `line` is what is kept of it for Elementary.
    """

    unique_id: str
    selector: str
    node: DbtNode
    line: Mapping[str, Any]

    @property
    def is_left(self) -> bool:
        """True where the node has not been built, or not been tested."""
        return self.node.has_failed or self.node.status == SKIPPED


def read_outcomes(result: "dbtRunnerResult", *, is_measured: bool) -> Iterator[Outcome]:
    """Yield one for each node that dbt has come to."""
    from dbt_common.invocation import get_invocation_id

    invocation, ended = {"invocation_id": get_invocation_id()}, datetime.now(UTC)
    for item in getattr(result.result, "results", None) or []:
        node = read_node(item, is_measured=is_measured)
        line = {**invocation, **describe_result(item, node.message, ended)}
        yield Outcome(item.node.unique_id, ".".join(item.node.fqn), node, line)


def read_node(item: Any, *, is_measured: bool) -> DbtNode:
    """Return one of dbt's run results."""
    response, status = item.adapter_response or {}, str(item.status)
    return DbtNode(
        name=item.node.name,
        kind=str(item.node.resource_type),
        table=table_of(item.node),
        status=status,
        rows=response.get("rows_affected"),
        failures=item.failures,
        bytes_processed=known(response.get("bytes_processed"), is_measured=is_measured),
        bytes_billed=known(response.get("bytes_billed"), is_measured=is_measured),
        job_id=response.get("job_id"),
        seconds=round(item.execution_time, 3),
        message=name_line(in_one_line(item.message), *texts_of(item.node)),
        fault=fault_of_node(status, str(item.message)) if status in FAILED else None,
    )


def table_of(node: Any) -> str:
    """Return the model itself, or the model or source that a test looks at first.

    `gold.summary`.
    """
    first = next(iter(node.depends_on.nodes), "") if node.resource_type == "test" else ""
    return ".".join(first.split(".")[2:]) or node.name


def texts_of(node: Any) -> tuple[str, str]:
    """The statement of a node without dbt's comment, and the compiled SQL that is part of it."""
    path = Path(getattr(node, "build_path", None) or "")
    sent = path.read_text("utf-8") if path.is_file() else ""
    return sent, getattr(node, "compiled_code", None) or ""


def name_line(message: str, sent: str, compiled: str) -> str:
    """Return a message about a place in the statement, with the line of the compiled SQL."""
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
    reported = " ".join(line for line in lines if not line.startswith("compiled code at"))
    if len(reported) <= LONGEST_MESSAGE:
        return reported
    # Google names the place of a fault at the end.
    return f"{reported[: LONGEST_MESSAGE - LONGEST_END]} … {reported[-LONGEST_END:]}"
