"""How long a change waited, between bounds that can be told."""

import pytest

from credix.core.freshness import (
    CompleteThrough,
    Lag,
    bounds_in_words,
    complete_up_to,
    end_to_end,
    in_words,
    next_gold_freshness,
)

YESTERDAY = "2026-03-30T10:00:00+00:00"
BEFORE = "2026-03-31T10:00:00+00:00"
AFTER = "2026-03-31T10:05:00.25+00:00"
GOLD = "2026-03-31T10:05:40.75+00:00"


def test_a_change_waited_since_one_of_the_two_snapshots() -> None:
    assert end_to_end(BEFORE, AFTER, GOLD) == Lag(40.5, 340.8)


def test_a_first_load_knows_only_how_long_at_least() -> None:
    assert end_to_end(None, AFTER, GOLD) == Lag(40.5, None)


@pytest.mark.parametrize(("after", "gold_at"), [(None, GOLD), (AFTER, BEFORE)])
def test_what_no_clock_can_tell_is_not_told(after: str | None, gold_at: str) -> None:
    assert end_to_end(BEFORE, after, gold_at) is None


class TestReach:
    def test_changes_waited_since_the_snapshot_that_bronze_and_gold_had_in_common(self) -> None:
        gold = CompleteThrough(4, YESTERDAY)
        quiet_since = CompleteThrough(4, BEFORE)
        assert next_gold_freshness(gold, quiet_since, CompleteThrough(5, AFTER), GOLD).lag == Lag(
            40.5, 340.8
        )

    def test_changes_that_an_earlier_run_could_not_bring_to_gold_waited_longer(self) -> None:
        gold = CompleteThrough(3, YESTERDAY)
        unbuilt = CompleteThrough(4, BEFORE)
        assert next_gold_freshness(gold, unbuilt, CompleteThrough(5, AFTER), GOLD).lag == Lag(
            40.5, 86740.8
        )

    def test_so_did_those_that_no_run_of_this_job_has_carried(self) -> None:
        assert next_gold_freshness(
            CompleteThrough(3, YESTERDAY), None, CompleteThrough(4, AFTER), GOLD
        ).lag == Lag(40.5, 86740.8)

    def test_a_first_gold_knows_only_how_long_at_least(self) -> None:
        assert next_gold_freshness(
            None, CompleteThrough(0, None), CompleteThrough(1, AFTER), GOLD
        ).lag == Lag(40.5, None)

    def test_gold_that_is_built_again_is_complete_further_and_tells_of_the_changes_before(
        self,
    ) -> None:
        gold = CompleteThrough(4, BEFORE, Lag(7.0, 9.0))
        assert next_gold_freshness(
            gold, CompleteThrough(4, BEFORE), CompleteThrough(4, AFTER), GOLD
        ) == CompleteThrough(4, AFTER, Lag(7.0, 9.0))

    def test_a_source_without_a_row_has_no_lag(self) -> None:
        assert next_gold_freshness(
            None, CompleteThrough(0, BEFORE), CompleteThrough(0, AFTER), GOLD
        ) == CompleteThrough(0, AFTER)


@pytest.mark.parametrize(
    ("gold", "bronze", "expected"),
    [
        (CompleteThrough(4, BEFORE), CompleteThrough(4, AFTER), AFTER),
        (CompleteThrough(4, BEFORE), CompleteThrough(5, AFTER), BEFORE),
        (CompleteThrough(4, BEFORE), None, BEFORE),
        (None, CompleteThrough(1, AFTER), None),
        (None, CompleteThrough(0, AFTER), AFTER),
        (None, None, None),
    ],
    ids=["has seen all", "is behind", "not carried", "never built", "nothing to see", "nothing"],
)
def test_gold_is_complete_as_far_as_it_has_seen_bronze(
    gold: CompleteThrough | None, bronze: CompleteThrough | None, expected: str | None
) -> None:
    assert complete_up_to(gold, bronze) == expected


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172800, "2 days")],
)
def test_a_duration_is_told_in_its_largest_sensible_unit(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_bounds_are_told_as_far_as_they_are_known() -> None:
    assert bounds_in_words(Lag(40.5, 340.5)) == "40 s to 6 min"
    assert bounds_in_words(Lag(40.5, None)) == "40 s or more"
    assert bounds_in_words(None) == ""
