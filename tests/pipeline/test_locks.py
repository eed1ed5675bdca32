"""Runs that want the same sources: one waits for the other, and none loses what it holds."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from credix.clients.gcs.lake import Lake
from credix.core.errors import BusyError, StateError
from credix.core.settings import Settings
from credix.pipeline.locks import hold_sources
from credix.pipeline.manifest import RunRecord
from credix.state.states import Lease, SourceState
from credix.state.store import StateStore
from tests.known import known

BOTH = ("cnpj_ws", "installments")
SECONDS = 30


@pytest.fixture(autouse=True)
def instances(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Cloud Run: runs of one host name of which none can judge another."""
    monkeypatch.setattr("socket.gethostname", lambda: "localhost")
    monkeypatch.setattr("credix.pipeline.locks.is_abandoned", lambda _: False)
    monkeypatch.setattr("credix.state.lease_keeper.POLL_SECONDS", 0.02)


@pytest.fixture
def states(settings: Settings, lake: Lake) -> StateStore:
    return StateStore(settings, lake)


def record(run_id: str) -> RunRecord:
    return RunRecord(run_id, "full", "command", "local", "2024-03-01", {}, status="done")


def waiting(states: StateStore, seconds: int) -> StateStore:
    settings = states.settings.model_copy(update={"source_wait_seconds": seconds})
    return StateStore(settings, states.lake)


@contextmanager
def held_by_another(states: StateStore, source: str) -> Iterator[SourceState]:
    with hold_sources(states, (source,), record("theirs")) as held:
        yield held[source]


def test_a_run_waits_for_the_one_that_holds_its_source_and_both_end_well(
    states: StateStore,
) -> None:
    told: list[str] = []
    is_waiting, taken = threading.Event(), threading.Event()

    def tell(message: str) -> None:
        told.append(message)
        is_waiting.set()

    def run() -> None:
        with hold_sources(waiting(states, SECONDS), BOTH, record("ours"), tell) as held:
            assert known(held["installments"].lease).run_id == "ours"
            taken.set()

    other = threading.Thread(target=run)
    with held_by_another(states, "installments"):
        other.start()
        assert is_waiting.wait(SECONDS)
        assert not taken.is_set()
    other.join(SECONDS)
    assert taken.is_set()
    assert ["theirs" in message for message in told] == [True]
    state = states.read_source("installments")
    assert (state.attempt, state.lease, known(state.last_run).run_id) == (2, None, "ours")


def test_one_that_has_waited_long_enough_gives_back_what_it_had(states: StateStore) -> None:
    with hold_sources(states, ("cnpj_ws",), record("before")):
        pass
    with (
        held_by_another(states, "installments") as theirs,
        pytest.raises(BusyError, match=r"run theirs .*localhost.*UTC") as refused,
        hold_sources(waiting(states, 0), BOTH, record("ours")),
    ):
        raise AssertionError("it holds what another holds")
    assert refused.value.exit_code == 3
    assert known(theirs.lease).run_id == "theirs"
    state = states.read_source("cnpj_ws")
    assert (state.lease, known(state.last_run).run_id) == (None, "before")


def test_runs_that_want_the_same_sources_in_another_order_do_not_wait_for_each_other(
    states: StateStore,
) -> None:
    ended: list[str] = []

    def run(name: str, sources: tuple[str, ...]) -> None:
        for number in range(5):
            with hold_sources(waiting(states, SECONDS), sources, record(f"{name}{number}")) as held:
                assert tuple(held) == sources
        ended.append(name)

    orders = {"one": BOTH, "two": BOTH[::-1]}
    runs = [threading.Thread(target=run, args=order) for order in orders.items()]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join(SECONDS)
    assert sorted(ended) == ["one", "two"]
    assert [states.read_source(name).attempt for name in BOTH] == [10, 10]


def test_a_lease_is_made_when_it_is_taken_and_not_before_the_wait(states: StateStore) -> None:
    is_waiting = threading.Event()
    short = waiting(states, SECONDS)
    short.settings = short.settings.model_copy(update={"lease_seconds": 10})
    ends: list[Lease] = []

    def run() -> None:
        with hold_sources(short, BOTH, record("ours"), lambda _: is_waiting.set()) as held:
            ends.extend(known(state.lease) for state in held.values())

    other = threading.Thread(target=run)
    with held_by_another(states, "installments"):
        other.start()
        assert is_waiting.wait(SECONDS)
    other.join(SECONDS)
    first, second = ends
    assert first.expires_at < second.expires_at


def test_every_source_is_released_though_one_cannot_be(
    states: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = "credix.pipeline.locks.release"
    warnings: list[str] = []

    def refuse_the_first(states: StateStore, source: str, manifest: RunRecord) -> None:
        if source == "cnpj_ws":
            raise StateError("It changes too often.")
        original(states, source, manifest)

    from credix.pipeline.locks import release as original

    monkeypatch.setattr(release, refuse_the_first)
    with hold_sources(states, BOTH, record("ours"), warnings.append):
        pass
    assert [states.read_source(name).lease is None for name in BOTH] == [False, True]
    assert len(warnings) == 1
