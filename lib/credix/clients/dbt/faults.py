"""Faults of BigQuery in dbt, which keeps of an exception only its words."""

from collections.abc import Sequence

from credix.clients.bigquery.errors import own_error
from credix.clients.bigquery.job_records import limit_error, names_limit
from credix.clients.bigquery.reasons import fault_of_text
from credix.core.errors import CredixError
from credix.core.results import DbtNode, Fault
from credix.core.settings import Settings

GIVEN_UP = "does not answer"
# Which fault decides what the caller can do, where the nodes of a build have failed differently.
GRAVEST = (
    Fault.INVALID,
    Fault.EXCESSIVE,
    Fault.DENIED,
    Fault.MISSING,
    Fault.STOPPED,
    Fault.TRANSIENT,
)
NAMED = 5


def fault_of_node(status: str, message: str) -> Fault:
    """Return what a failed model or test means: a finding of a test is one of the data."""
    if status == "fail":
        return Fault.INVALID
    return (Fault.TRANSIENT if GIVEN_UP in message else fault_of_text(message)) or Fault.INVALID


def is_given_up(message: str) -> bool:
    """Return True where the patience of the settings is used up already."""
    return GIVEN_UP in message


def failed_build(failed: Sequence[DbtNode], total: int, settings: Settings) -> CredixError:
    """Return the error of the gravest fault, which names what failed for another reason as well."""
    ranked = sorted(failed, key=lambda node: GRAVEST.index(node.fault or Fault.INVALID))
    over = next((node for node in ranked if names_limit(node.message)), None)
    gravest = ranked[0].fault or Fault.INVALID
    if over and over.fault is gravest:
        return limit_error(settings, f"dbt {over.kind} {over.name}", over.message)
    causes = "; ".join(describe(node) for node in one_of_each_first(ranked)[:NAMED])
    return own_error(gravest, f"dbt: {len(failed)} of {total} failed: {causes}")


def one_of_each_first(ranked: Sequence[DbtNode]) -> list[DbtNode]:
    """Return the nodes with one of each fault ahead, so that none goes unnamed."""
    heads = {node.fault: node for node in reversed(ranked)}
    first = [node for node in ranked if heads[node.fault] is node]
    return first + [node for node in ranked if heads[node.fault] is not node]


def describe(node: DbtNode) -> str:
    times = f" ({node.attempts} attempts)" if node.attempts > 1 else ""
    return f"{node.kind} {node.name}{times}: {node.message}"
