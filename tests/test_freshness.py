"""How long a change waited, between bounds that can be told."""

import pytest

from credix.freshness import Lag, bounds_in_words, end_to_end, in_words

BEFORE = {"snapshot_at": "2026-03-31T10:00:00+00:00"}
AFTER = {"snapshot_at": "2026-03-31T10:05:00+00:00"}
GOLD = "2026-03-31T10:05:40.5+00:00"


def test_a_change_waited_since_one_of_the_two_snapshots() -> None:
    assert end_to_end(BEFORE, AFTER, GOLD) == Lag(40.5, 340.5)


def test_a_first_load_knows_only_how_long_at_least() -> None:
    assert end_to_end(None, AFTER, GOLD) == Lag(40.5, None)


@pytest.mark.parametrize("gold_at", [None, "2026-03-31T10:04:59+00:00"])
def test_what_gold_does_not_hold_has_no_lag(gold_at: str | None) -> None:
    assert end_to_end(BEFORE, AFTER, gold_at) is None


def test_a_source_that_was_never_read_has_no_lag() -> None:
    assert end_to_end(None, None, GOLD) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172800, "2 days")],
)
def test_a_duration_is_told_in_its_largest_sensible_unit(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_bounds_are_told_as_far_as_they_are_known() -> None:
    assert bounds_in_words({"at_least": 40.5, "at_most": 340.5}) == "40 s to 6 min"
    assert bounds_in_words({"at_least": 40.5, "at_most": None}) == "40 s or more"
    assert bounds_in_words(None) == ""
