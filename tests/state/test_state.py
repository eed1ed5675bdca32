"""State files as values: fence, lease, commit."""

from datetime import UTC, datetime, timedelta

import pytest

from credix.core.errors import BusyError, FenceError, StateError
from credix.core.freshness import CompleteThrough, Lag
from credix.core.watermarks import Digest, Progress, Server, Watermark
from credix.state.states import GoldState, LastRun, Lease, SourceState

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
TERM = timedelta(minutes=5)
EMPTY = SourceState(source="installments")
PROGRESS = Progress(
    attempt=1,
    watermark=Watermark(row_version=900, snapshot_at="2026-03-31T12:00:00+00:00"),
    capture="row_version",
    server=Server(system_identifier="7", timeline=1, major_version=18),
    relation_oids=(16384,),
    column_numbers=(1, 2),
    fingerprint="f" * 16,
    rereads=None,
    digest=Digest(rows=3, key_xor=5),
)


def lease(run_id: str, expires_at: datetime = NOW + TERM) -> Lease:
    return Lease(
        run_id=run_id,
        host="here",
        boot_id="b",
        pid=4711,
        process_started_at=1.0,
        expires_at=expires_at,
    )


def alive(_: Lease) -> bool:
    return False


def dead(_: Lease) -> bool:
    return True


def raised(state: SourceState, run_id: str) -> SourceState:
    return state.raise_fence(lease(run_id), NOW, dead)


class TestFence:
    def test_each_run_gets_a_higher_token(self) -> None:
        first = raised(EMPTY, "one")
        second = raised(first, "two")
        assert (first.attempt, second.attempt) == (1, 2)
        assert second.lease == lease("two")

    def test_raising_it_commits_nothing(self) -> None:
        state = raised(raised(EMPTY, "one").commit(PROGRESS, is_merged=True), "two")
        assert (state.committed_seq, state.watermark) == (1, PROGRESS.watermark)

    def test_a_held_lease_turns_others_away_and_names_its_holder(self) -> None:
        with pytest.raises(BusyError, match=r"run one \(process 4711 on here\).*12:05:00 UTC"):
            raised(EMPTY, "one").raise_fence(lease("two"), NOW, alive)

    def test_the_refusal_says_until_when_and_what_to_do(self) -> None:
        execution = {"execution": "workbook-full-x7k2p/0"}
        held = raised(EMPTY, "one")
        held = held.model_copy(update={"lease": lease("one").model_copy(update=execution)})
        with pytest.raises(BusyError, match=r"source installments.*Run again when") as e:
            held.raise_fence(lease("two"), NOW, alive)
        assert "workbook-full-x7k2p/0" in str(e.value)
        with pytest.raises(BusyError, match="works on gold"):
            gold = GoldState().raise_fence(lease("one"), NOW, alive)
            gold.raise_fence(lease("two"), NOW, alive)

    def test_an_expired_lease_gives_way(self) -> None:
        late = NOW + TERM
        assert raised(EMPTY, "one").raise_fence(lease("two"), late, alive).attempt == 2

    def test_the_lease_of_a_dead_process_gives_way(self) -> None:
        assert raised(EMPTY, "one").raise_fence(lease("two"), NOW, dead).attempt == 2

    def test_a_run_may_raise_its_own_fence_again(self) -> None:
        assert raised(EMPTY, "one").raise_fence(lease("one"), NOW, alive).attempt == 2

    def test_one_more_attempt_of_the_same_run_lies_above_all_that_bronze_has_seen(self) -> None:
        state = raised(EMPTY, "one")
        assert state.raise_fence_again(1, newest=0).attempt == 2
        assert state.raise_fence_again(1, newest=500).attempt == 501
        assert state.raise_fence_again(1, newest=0).lease == state.lease

    def test_a_late_run_gets_no_further_attempt(self) -> None:
        with pytest.raises(FenceError, match="Attempt 2 has begun"):
            raised(raised(EMPTY, "one"), "two").raise_fence_again(1, newest=0)

    def test_a_released_lease_holds_nobody_up(self) -> None:
        released = raised(EMPTY, "one").release(last_run("one"))
        assert released.raise_fence(lease("two"), NOW, alive).attempt == 2


class TestLease:
    def test_renewal_moves_its_end_and_nothing_else(self) -> None:
        state = raised(EMPTY, "one")
        renewed = state.renew("one", NOW + TERM, TERM)
        assert renewed == state.model_copy(update={"lease": lease("one", NOW + 2 * TERM)})

    def test_a_late_run_cannot_renew(self) -> None:
        with pytest.raises(FenceError, match="has lost its lease"):
            raised(raised(EMPTY, "one"), "two").renew("one", NOW, TERM)

    def test_a_released_lease_is_not_brought_back(self) -> None:
        released = raised(EMPTY, "one").release(last_run("one"))
        with pytest.raises(FenceError, match="has lost its lease"):
            released.renew("one", NOW, TERM)

    def test_a_late_run_releases_nothing(self) -> None:
        state = raised(raised(EMPTY, "one"), "two")
        assert state.release(last_run("one")) == state

    def test_a_run_that_has_done_nothing_leaves_the_record_of_the_one_before(self) -> None:
        before = raised(EMPTY, "one").release(last_run("one"))
        given = raised(before, "two").give_back(lease("two"))
        assert (given.lease, given.last_run, given.attempt) == (None, before.last_run, 2)
        assert raised(given, "three").give_back(lease("two")).lease == lease("three")

    def test_each_kernel_of_a_run_by_hand_takes_the_lease_over_from_the_one_before(self) -> None:
        one, two = (lease("one").model_copy(update={"instance": name}) for name in ("01", "02"))
        state = raised(EMPTY, "one").hold(1, one)
        assert state.keep(one) == state
        taken = state.hold(1, two)
        with pytest.raises(FenceError, match="another process"):
            taken.keep(one)
        assert taken.give_back(one) == taken
        assert taken.give_back(two).hold(1, one).lease == one
        with pytest.raises(FenceError, match=r"attempt 1 of the source .* is superseded"):
            raised(taken, "two").hold(1, one)

    def test_a_run_that_fails_after_the_release_corrects_its_own_record_only(self) -> None:
        failed = last_run("one").model_copy(update={"status": "failed", "error": "05 failed"})
        released = raised(EMPTY, "one").release(last_run("one"))
        assert released.note_end(failed).last_run == failed
        newer = raised(released, "two")
        assert newer.note_end(failed).last_run == failed
        ended = newer.release(last_run("two"))
        assert ended.note_end(failed) == ended
        assert released.note_end(last_run("one")) == released

    def test_a_run_is_superseded_by_others_and_not_by_its_own_further_attempt(self) -> None:
        state = raised(EMPTY, "one")
        assert not state.is_superseded("one", 1)
        assert not state.raise_fence_again(1, newest=0).is_superseded("one", 1)
        assert raised(state, "two").is_superseded("one", 1)
        assert raised(state, "two").release(last_run("two")).is_superseded("one", 1)


class TestCommit:
    def test_it_takes_over_what_the_run_has_read(self) -> None:
        state = raised(EMPTY, "one").commit(PROGRESS, is_merged=True)
        assert state.watermark == PROGRESS.watermark
        assert state.server == PROGRESS.server
        assert state.relation_oids == PROGRESS.relation_oids
        assert (state.capture, state.fingerprint) == ("row_version", "f" * 16)
        assert state.committed_seq == 1

    def test_a_quiet_one_moves_the_watermark_and_keeps_the_committed_seq(self) -> None:
        state = raised(raised(EMPTY, "one").commit(PROGRESS, is_merged=True), "two")
        further = PROGRESS.model_copy(
            update={"attempt": 2, "watermark": Watermark(row_version=950)}
        )
        quiet = state.commit(further, is_merged=False)
        assert quiet.committed_seq == 1
        assert quiet.watermark == Watermark(row_version=950)

    def test_a_late_one_is_refused_and_says_that_nothing_is_lost(self) -> None:
        state = raised(raised(EMPTY, "one"), "two")
        with pytest.raises(
            FenceError, match=r"Attempt 2 .* attempt 1 .*superseded\. Nothing is lost"
        ):
            state.commit(PROGRESS, is_merged=True)

    def test_it_may_be_repeated(self) -> None:
        once = raised(EMPTY, "one").commit(PROGRESS, is_merged=True)
        assert once.commit(PROGRESS, is_merged=True) == once


class TestGold:
    def test_it_is_current_for_the_same_day_bronze_and_rules(self) -> None:
        state = GoldState(business_date="2026-03-31", seen={"a": 3, "b": 5}, fingerprint="f")
        assert state.is_current("2026-03-31", {"b": 5, "a": 3}, "f")
        assert not state.is_current("2026-03-31", {"b": 5, "a": 3}, "other rules")

    @pytest.mark.parametrize(
        ("day", "committed"),
        [
            ("2026-04-01", {"a": 3, "b": 5}),
            ("2026-03-31", {"a": 4, "b": 5}),
            ("2026-03-31", {"a": 2, "b": 5}),
            ("2026-03-31", {"a": 3, "b": 5, "c": 1}),
        ],
        ids=["a new day", "newer bronze", "older bronze", "a new source"],
    )
    def test_it_is_not_current_for_any_other(self, day: str, committed: dict[str, int]) -> None:
        state = GoldState(business_date="2026-03-31", seen={"a": 3, "b": 5}, fingerprint="f")
        assert not state.is_current(day, committed, "f")

    def test_a_gold_that_was_never_built_is_not_current(self) -> None:
        assert not GoldState().is_current("2026-03-31", {"a": 0}, "f")

    @pytest.mark.parametrize(
        ("day", "committed", "fingerprint", "expected"),
        [
            ("2026-03-31", {"a": 3, "b": 5}, "f", True),
            ("2026-03-31", {"a": 9, "b": 5}, "f", True),
            ("2026-04-01", {"a": 3, "b": 5}, "f", False),
            ("2026-03-31", {"a": 2, "b": 5}, "f", False),
            ("2026-03-31", {"a": 3, "b": 5, "c": 1}, "f", False),
            ("2026-03-31", {"a": 3, "b": 5}, "g", False),
        ],
        ids=["nothing new", "newer bronze", "a day", "older bronze", "a source", "a project"],
    )
    def test_it_can_follow_newer_bronze_and_nothing_else(
        self, day: str, committed: dict[str, int], fingerprint: str, *, expected: bool
    ) -> None:
        state = GoldState().commit(0, "2026-03-31", {"a": 3, "b": 5}, "f")
        assert state.can_follow(day, committed, fingerprint) == expected
        for untrusted in (state.require_full_rebuild(), state.invalidate(), GoldState()):
            assert not untrusted.can_follow(day, committed, fingerprint)

    def test_how_far_the_last_tested_one_reached_is_never_forgotten(self) -> None:
        reached = {"a": CompleteThrough(3, "2026-03-31T10:05:00+00:00", Lag(40.0, None))}
        state = GoldState().commit(0, "2026-03-31", {"a": 3}, "f", reached)
        for later in (
            state.require_full_rebuild(),
            state.invalidate(),
            state.commit(0, "2026-04-01", {}),
        ):
            assert later.reached == reached
        assert GoldState.from_json(state.to_json(), "x") == state

    def test_a_late_commit_is_refused(self) -> None:
        with pytest.raises(FenceError):
            GoldState(attempt=2).commit(1, "2026-03-31", {})


class TestJson:
    def test_it_survives_writing_and_reading(self) -> None:
        state = raised(EMPTY, "one").commit(PROGRESS, is_merged=True).release(last_run("one"))
        assert SourceState.from_json(state.to_json(), "x") == state

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "[]",
            "null",
            "{}",
            '{"source": "a", "attempt": "many"}',
            '{"source": "a", "unheard_of": 1}',
            '{"source": "a", "format": 2}',
            '{"source": "a", "watermark": {"row_version": 1.5}}',
        ],
    )
    def test_anything_else_is_refused_with_the_file_and_the_way_out(self, text: str) -> None:
        with pytest.raises(StateError, match=r"gs://lake/state/a\.json cannot be read") as error:
            SourceState.from_json(text, "gs://lake/state/a.json")
        assert "Restore an earlier version" in str(error.value)
        assert error.value.__suppress_context__


def last_run(run_id: str) -> LastRun:
    return LastRun(run_id=run_id, job="full", status="done", finished_at=NOW, rows=1)
