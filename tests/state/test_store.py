"""State files in the lake, changed by several at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.errors import BusyError, StateError
from credix.core.settings import Settings
from credix.state.leases import new_lease
from credix.state.states import SourceState
from credix.state.store import ATTEMPTS, StateStore

SOURCE = "installments"


@pytest.fixture
def store(settings: Settings, lake: Lake) -> StateStore:
    return StateStore(settings, lake)


def raise_fence(store: StateStore, run_id: str, *, dead: bool = True) -> SourceState:
    lease = new_lease(run_id, timedelta(minutes=5))
    return store.change_source(
        "state.raise_fence",
        SOURCE,
        lambda state: state.raise_fence(lease, datetime.now(UTC), lambda _: dead),
    )


def put(store: StateStore, text: str) -> None:
    settings = store.settings
    store.lake.upload("state.test", settings.lake_bucket, store.path(SOURCE), text.encode())


def test_a_state_that_was_never_written_is_empty(store: StateStore) -> None:
    assert store.read_source(SOURCE) == SourceState(source=SOURCE)
    assert store.read_gold().business_date is None


def test_what_was_changed_is_read(store: StateStore) -> None:
    raised = raise_fence(store, "one")
    assert store.read_source(SOURCE) == raised
    assert raised.attempt == 1


def test_sources_gold_and_prefixes_have_files_of_their_own(
    store: StateStore, settings: Settings, lake: Lake
) -> None:
    raise_fence(store, "one")
    assert store.read_source("cnpj_ws").attempt == 0
    assert store.read_gold().attempt == 0
    sandbox = StateStore(settings.with_prefix(f"sandbox_{settings.prefix}"), lake)
    assert sandbox.read_source(SOURCE).attempt == 0


def test_of_two_runs_one_is_turned_away(store: StateStore) -> None:
    raise_fence(store, "one")
    with pytest.raises(BusyError, match="The run one"):
        raise_fence(store, "two", dead=False)
    assert store.read_source(SOURCE).attempt == 1


def test_no_two_runs_get_the_same_token(settings: Settings) -> None:
    def work(number: int) -> int:
        store = StateStore(settings, Lake(settings, Effects(settings.retry_seconds)))
        return raise_fence(store, f"run-{number}").attempt

    with ThreadPoolExecutor(8) as pool:
        attempts = list(pool.map(work, range(8)))
    assert sorted(attempts) == list(range(1, 9))


def test_a_change_that_changes_nothing_writes_nothing(store: StateStore) -> None:
    raise_fence(store, "one")
    written = len(store.lake.effects.records)
    store.change_source("state.test", SOURCE, lambda state: state)
    assert len(store.lake.effects.records) == written


def test_a_change_is_repeated_on_what_another_wrote_in_between(store: StateStore) -> None:
    """The first time the change is computed, somebody else raises the fence."""
    seen: list[int] = []

    def change(state: SourceState) -> SourceState:
        seen.append(state.attempt)
        if len(seen) == 1:
            raise_fence(store, "another")
        return state.model_copy(update={"committed_seq": 9})

    changed = store.change_source("state.test", SOURCE, change)
    assert seen == [0, 1]
    assert (changed.attempt, changed.committed_seq) == (1, 9)
    assert store.read_source(SOURCE) == changed


def test_a_file_that_never_rests_is_given_up(store: StateStore) -> None:
    numbers = iter(range(1, 1_000))

    def change(state: SourceState) -> SourceState:
        number = next(numbers)
        if number <= ATTEMPTS:
            raise_fence(store, f"another {number}")
        return state.model_copy(update={"committed_seq": number})

    with pytest.raises(StateError, match="changes too often"):
        store.change_source("state.test", SOURCE, change)


@pytest.mark.parametrize("text", ["", "{", '{"attempt": 1}', '{"source": "a", "what": 1}'])
def test_a_file_that_is_no_state_is_named_with_the_way_out(store: StateStore, text: str) -> None:
    put(store, text)
    location = f"gs://{store.settings.lake_bucket}/{store.path(SOURCE)}"
    with pytest.raises(StateError, match=f"{location} cannot be read.*Restore") as error:
        store.read_source(SOURCE)
    assert "\n" not in str(error.value)
    with pytest.raises(StateError, match=location):
        raise_fence(store, "one")


def test_a_file_that_is_no_text_is_named_too(store: StateStore) -> None:
    settings = store.settings
    store.lake.upload("state.test", settings.lake_bucket, store.path(SOURCE), b"\xff\xfe\x00")
    with pytest.raises(StateError, match=r"state/installments\.json cannot be read"):
        store.read_source(SOURCE)
