"""The oracle can fail: it finds each fault that is planted on purpose."""

from contextlib import closing

import pytest

from tests.oracle.conftest import MakeWorld
from tests.oracle.defects import DEFECTS
from tests.oracle.recorded import RECORDED, live
from tests.oracle.runners import Runners, WarmProcess
from tests.oracle.verdict import WrongError


@pytest.mark.parametrize("name", DEFECTS)
def test_the_oracle_finds_a_planted(
    make_world: MakeWorld, warm_process: WarmProcess, name: str
) -> None:
    recorded = RECORDED[name]
    with closing(Runners(name, warm_process)) as runners:
        world = make_world(runners, **recorded.world)
        with pytest.raises(WrongError, match=recorded.verdict):
            live(world, recorded)
