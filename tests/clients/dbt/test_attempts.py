"""What a repeated build selects, and what becomes of the results of its calls."""

import time
from collections.abc import Sequence

import pytest
from google.api_core import exceptions as google

from credix.clients.dbt.attempts import BuildAttempts
from credix.clients.dbt.nodes import Outcome
from credix.clients.effects import Effects
from credix.core.errors import StepError, TransientError
from credix.core.results import Fault
from tests.pipeline.manifests import node

WHOLE = ["--select", "silver"]
ALONE = ["--indirect-selection", "empty", "--select"]


def outcome(name: str, status: str, fault: Fault | None = None, kind: str = "model") -> Outcome:
    made = node(name, kind=kind, status=status, message=f"{name} is {status}", fault=fault)
    return Outcome(f"{kind}.{name}", f"p.{name}", made, {"name": name, "status": status})


def failed(name: str, fault: Fault = Fault.TRANSIENT, kind: str = "model") -> Outcome:
    return outcome(name, "error", fault, kind)


class Calls:
    """Dbt as told: the outcomes of each call."""

    def __init__(self, *calls: Sequence[Outcome], seconds: float = 0) -> None:
        self.calls, self.seconds = list(calls), seconds
        self.arguments: list[list[str]] = []

    def __call__(self, arguments: Sequence[str]) -> Sequence[Outcome]:
        time.sleep(self.seconds)
        self.arguments.append(list(arguments))
        return self.calls.pop(0)


def statuses(attempts: BuildAttempts) -> dict[str, tuple[str, int]]:
    return {node.name: (node.status, node.attempts) for node in attempts.nodes}


def test_only_what_failed_and_what_was_skipped_is_built_again() -> None:
    calls = Calls(
        [outcome("a", "success"), failed("b"), outcome("t", "skipped", kind="test")],
        [outcome("b", "success"), outcome("t", "pass", kind="test")],
    )
    attempts = BuildAttempts(calls, ["silver"])
    Effects(5).perform("silver.build", "dbt", attempts.run)
    assert calls.arguments == [WHOLE, [*ALONE, "p.b", "p.t"]]
    assert statuses(attempts) == {"a": ("success", 1), "b": ("success", 2), "t": ("pass", 1)}
    assert [line["attempts"] for line in attempts.lines] == [1, 2, 1]
    assert attempts.lines[1]["message"] == "b is success (2 attempts; b is error)"


@pytest.mark.parametrize("fault", sorted(set(Fault) - {Fault.TRANSIENT}))
def test_another_fault_ends_it_though_one_passes(fault: Fault) -> None:
    attempts = BuildAttempts(Calls([failed("a"), failed("b", fault)]), ["silver"])
    Effects(5).perform("silver.build", "dbt", attempts.run)
    assert statuses(attempts) == {"a": ("error", 1), "b": ("error", 1)}


def test_what_dbt_has_waited_for_as_long_as_the_settings_say_is_not_waited_for_again() -> None:
    tired = outcome("BigQuery does not answer (503) within 60 s: a", "error", Fault.TRANSIENT)
    attempts = BuildAttempts(Calls([tired]), ["silver"])
    Effects(5).perform("silver.build", "dbt", attempts.run)
    assert len(attempts.nodes) == 1


def test_after_a_hook_has_failed_everything_runs_again() -> None:
    calls = Calls(
        [failed("on-run-start", kind="operation"), outcome("a", "success")],
        [outcome("on-run-start", "success", kind="operation"), outcome("a", "success")],
    )
    attempts = BuildAttempts(calls, ["silver"])
    Effects(5).perform("silver.build", "dbt", attempts.run)
    assert calls.arguments == [WHOLE, WHOLE]
    assert statuses(attempts) == {"on-run-start": ("success", 2), "a": ("success", 1)}


def test_a_node_that_is_not_built_again_is_no_success() -> None:
    attempts = BuildAttempts(Calls([failed("a")], [outcome("b", "success")]), ["silver"])
    with pytest.raises(StepError, match=r"did not build again .*model\.a"):
        Effects(5).perform("silver.build", "dbt", attempts.run)


def test_the_bound_counts_anew_for_nodes_that_had_not_failed_before() -> None:
    """Each call takes longer than the bound."""
    calls = Calls(
        [failed("a"), outcome("b", "skipped")],
        [outcome("a", "success"), failed("b")],
        [outcome("b", "success")],
        seconds=0.25,
    )
    attempts = BuildAttempts(calls, ["silver"])
    Effects(0.2).perform("silver.build", "dbt", attempts.run)
    assert statuses(attempts) == {"a": ("success", 2), "b": ("success", 2)}


def test_a_node_that_fails_again_uses_up_the_bound() -> None:
    attempts = BuildAttempts(Calls([failed("a")], [failed("a")], seconds=0.25), ["silver"])
    with pytest.raises(TransientError, match="a is error"):
        Effects(0.2).perform("silver.build", "dbt", attempts.run)
    assert statuses(attempts) == {"a": ("error", 2)}


def test_a_failure_is_raised_as_one_that_passes() -> None:
    with pytest.raises(google.ServiceUnavailable, match="model a: a is error"):
        BuildAttempts(Calls([failed("a")]), ["silver"]).run()
