"""The oracle's fast profile: whatever happens, bronze ends as the source says."""

from typing import Any

import pytest

from tests.oracle.child import Runners
from tests.oracle.conftest import MakeWorld
from tests.oracle.machine import check_histories

WORLDS: dict[str, dict[str, Any]] = {
    "companies by row version": {"source": "cnpj_ws"},
    "installments by row version, partitioned": {"source": "installments", "is_partitioned": True},
    "companies by cursor": {"source": "cnpj_ws", "capture": "cursor"},
}


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("world", WORLDS)
def test_no_history_ends_wrong(
    make_world: MakeWorld, sound_runners: Runners, world: str, number: int
) -> None:
    check_histories(lambda: make_world(sound_runners, **WORLDS[world]), histories=2, number=number)
