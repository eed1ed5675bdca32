"""The oracle can fail: it finds each fault that is planted on purpose."""

import pytest

from tests.oracle.child import Runners
from tests.oracle.conftest import MakeWorld
from tests.oracle.defects import DEFECTS
from tests.oracle.recorded import RECORDED, live
from tests.oracle.world import WrongError


@pytest.mark.parametrize("name", DEFECTS)
def test_the_oracle_finds_a_planted(
    make_world: MakeWorld, variables: dict[str, str], name: str
) -> None:
    recorded = RECORDED[name]
    runners = Runners(name, variables)
    try:
        with pytest.raises(WrongError, match=recorded.verdict):
            live(make_world(runners, **recorded.world), recorded)
    finally:
        runners.close()
