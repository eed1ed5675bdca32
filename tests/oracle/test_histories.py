"""The oracle's fast profile: whatever happens, bronze ends as the source says."""

import pytest

from tests.oracle.conftest import MakeWorld
from tests.oracle.machine import check_history
from tests.oracle.runners import Runners
from tests.oracle.worlds import WORLDS

# Each kind of step has tests of its own, here and in tests/capture; `make oracle` draws 50.
STEPS = 20


@pytest.mark.parametrize(
    ("world", "number"), list(zip(WORLDS, range(1, len(WORLDS) + 1), strict=True))
)
def test_no_history_ends_wrong(
    make_world: MakeWorld, sound_runners: Runners, world: str, number: int
) -> None:
    check_history(lambda: make_world(sound_runners, **WORLDS[world]), number=number, steps=STEPS)
