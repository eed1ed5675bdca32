"""The oracle's fast profile: whatever happens, bronze ends as the source says."""

import pytest

from tests.oracle.child import Runners
from tests.oracle.conftest import MakeWorld
from tests.oracle.machine import check_histories
from tests.oracle.worlds import WORLDS


@pytest.mark.parametrize("world", WORLDS)
def test_no_history_ends_wrong(make_world: MakeWorld, sound_runners: Runners, world: str) -> None:
    check_histories(lambda: make_world(sound_runners, **WORLDS[world]), histories=2, number=1)
