"""A build of dbt under retries: again what failed for now, and what was skipped because of it.

dbt-bigquery makes the id of a job once, outside its retry, which so finds only the job that has
failed. A new call of dbt makes new ids (docs/decisions/0031-retries-under-new-job-ids.md).
"""

from collections.abc import Callable, Sequence
from typing import Any

from google.api_core import exceptions as google

from credix.clients.dbt.faults import is_given_up
from credix.clients.dbt.nodes import HOOK, Outcome
from credix.clients.effects import FailedAnew
from credix.core.errors import StepError
from credix.core.results import DbtNode, Fault


class BuildAttempts:
    """Runs one build; a repeated call builds only what is left of it.

    `start` calls dbt with arguments that select nodes. Every node has one result, its last.
    """

    def __init__(
        self, start: Callable[[Sequence[str]], Sequence[Outcome]], selectors: Sequence[str]
    ) -> None:
        self.start, self.selectors = start, selectors
        self.outcomes: dict[str, Outcome] = {}
        self.counted: dict[str, DbtNode] = {}

    def run(self) -> None:
        """Build what is left; raises ServiceUnavailable where all that failed passes by itself."""
        left = {name for name, outcome in self.outcomes.items() if outcome.is_left}
        found = self.start(self._arguments(left))
        for outcome in found:
            before = self.counted.get(outcome.unique_id)
            self.outcomes[outcome.unique_id] = outcome
            self.counted[outcome.unique_id] = outcome.node.after(before) if before else outcome.node
        forgotten = left - {outcome.unique_id for outcome in found}
        if forgotten:
            raise StepError(f"dbt did not build again what had failed: {sorted(forgotten)}")
        failed = [node for node in self.nodes if node.has_failed]
        if failed and all(can_be_repeated(node) for node in failed):
            reported = "; ".join(f"{node.kind} {node.name}: {node.message}" for node in failed)
            is_new = all(node.attempts == 1 for node in failed)
            raise FailedAnew(reported) if is_new else google.ServiceUnavailable(reported)

    @property
    def nodes(self) -> list[DbtNode]:
        return list(self.counted.values())

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What is kept for Elementary: one line for each node, with how often it was executed."""
        lines: list[dict[str, Any]] = []
        for name, outcome in self.outcomes.items():
            node = self.counted[name]
            line = {"selected": " ".join(self.selectors), **outcome.line, "attempts": node.attempts}
            if node.attempts > 1:
                line["message"] = f"{node.message} ({node.attempts} attempts; {node.earlier})"
            lines.append(line)
        return lines

    def _arguments(self, left: set[str]) -> list[str]:
        """Select everything at first, and after a hook of the build has failed; then what is left.

        The tests that are left are among it by name, so that none joins by its model.
        """
        again = [self.outcomes[name] for name in self.outcomes if name in left]
        if not again or any(outcome.node.kind == HOOK for outcome in again):
            return ["--select", *self.selectors]
        names = [outcome.selector for outcome in again]
        return ["--indirect-selection", "empty", "--select", *names]


def can_be_repeated(node: DbtNode) -> bool:
    """True for a fault that passes by itself, unless the bound of a retry is used up already."""
    return node.fault is Fault.TRANSIENT and not is_given_up(node.message)
