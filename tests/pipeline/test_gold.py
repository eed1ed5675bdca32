"""Gold that a paused run has built over a newer one is not trusted, and built again."""

from dataclasses import replace

import pytest

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.dbt.project import project_fingerprint
from credix.core.errors import DataError, FenceError, StepError
from credix.core.freshness import seconds_between
from credix.core.settings import Settings
from credix.state.run import Run
from credix.warehouse import transform
from credix.warehouse.transform import GoldClaim
from tests.known import known
from tests.runs_by_hand import begin, build_gold, carry
from tests.tables import Table

OLD_DAY, NEW_DAY = "2024-03-01", "2024-03-02"


@pytest.fixture
def both(settings: Settings, warehouse: Warehouse, tables: dict[str, Table]) -> tuple[Run, Run]:
    """Runs of two business days over the same bronze; the newer one begins while the older waits.

    Both are of this process, whose older lease always gives way.
    """
    assert warehouse
    for name, table in tables.items():
        table.insert()
        carry(settings, name)
    old, new = begin(settings, "cnpj_ws"), begin(settings, "cnpj_ws")
    return replace(old, business_date=OLD_DAY), replace(new, business_date=NEW_DAY)


def assert_late(run: Run, claim: GoldClaim) -> None:
    with pytest.raises(FenceError, match="Another run has built gold"):
        transform.build_layer(run, "silver", claim)


def test_a_late_run_that_has_written_nothing_changes_nothing(both: tuple[Run, Run]) -> None:
    old, new = both
    claim = transform.claim_gold(old)
    committed = build_gold(new)
    assert_late(old, claim)
    assert new.states.read_gold() == committed


def test_gold_that_a_late_run_has_touched_is_built_by_the_next_one(both: tuple[Run, Run]) -> None:
    old, new = both
    claim = transform.claim_gold(old)
    transform.build_layer(old, "silver", claim)
    committed = build_gold(new)
    assert committed.is_current(NEW_DAY, committed.seen, project_fingerprint())

    assert_late(old, claim)

    assert not new.states.read_gold().is_current(NEW_DAY, committed.seen, project_fingerprint())
    again = build_gold(new)
    assert again.is_current(NEW_DAY, committed.seen, project_fingerprint())


def test_who_builds_while_a_late_run_gives_up_does_not_count(both: tuple[Run, Run]) -> None:
    old, new = both
    late = transform.claim_gold(old)
    late.has_written = True
    current = transform.claim_gold(new)
    assert_late(old, late)
    with pytest.raises(FenceError):
        transform.commit_gold(new, current)
    assert new.states.read_gold().business_date is None


def test_only_the_next_build_of_the_same_day_follows_changes(both: tuple[Run, Run]) -> None:
    old, new = both
    build_gold(new)

    claim = transform.claim_gold(new)
    assert claim.changes == "cnpj_ws=1..1 installments=1..1"
    transform.commit_gold(new, claim)

    other_day = transform.claim_gold(old)
    other_day.keeper.stop()
    assert other_day.changes == ""
    assert old.states.read_gold().seen == {}


def test_changes_that_fail_their_tests_are_followed_by_a_build_of_everything(
    both: tuple[Run, Run],
) -> None:
    _, run = both
    build_gold(run)
    table = run.warehouse.table_id("silver", "installments_clean")
    run.warehouse.execute("lose", table, f"DELETE FROM `{table}` WHERE true")

    claim = transform.claim_gold(run)
    with pytest.raises(DataError, match="every_live_row_of_bronze_is_in_silver"):
        transform.build_layer(run, "silver", claim)
    assert run.states.read_gold().lease is None
    with pytest.raises(StepError, match="claims gold once more"):
        transform.build_layer(run, "silver", claim)

    assert build_gold(run).seen == {"cnpj_ws": 1, "installments": 1}


def test_changes_that_an_earlier_run_left_in_bronze_have_waited_since_the_gold_before(
    settings: Settings, tables: dict[str, Table], both: tuple[Run, Run]
) -> None:
    first = build_gold(both[1]).reached["installments"]
    for asset_id in ("b", "c"):
        tables["installments"].insert(asset_id=asset_id)
        run = carry(settings, "installments")

    state = build_gold(run)

    reach = state.reached["installments"]
    assert first.lag is not None
    assert first.lag.at_most is None
    assert reach.lag is not None
    between = known(reach.lag.at_most) - reach.lag.at_least
    passed = seconds_between(known(first.snapshot_at), known(reach.snapshot_at))
    assert between == pytest.approx(passed, abs=0.2)
    assert state.reached["cnpj_ws"].seq == first.seq
