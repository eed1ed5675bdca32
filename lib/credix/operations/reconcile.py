"""Every value of the source against bronze, as a person asks for it between runs."""

from credix.capture import extract
from credix.capture.compare.value_comparison import Comparison
from credix.capture.predicates import require_caught_up
from credix.capture.source_table import SourceTable
from credix.state.leases import require_idle
from credix.state.run import Run


def compare_source(run: Run) -> Comparison:
    """Return what differs between the source now and bronze, and write nothing anywhere.

    Rows that no run has loaded yet are pending, and so are those that a run has merged since this
    one began to look: it holds no lease. Raises BusyError while a run works on the source.
    """
    state = run.states.read_source(run.source.name)
    require_idle(state.lease, run.source.name)
    newest_seq = max(state.attempt, newest_in_bronze(run))
    with extract.connect(run) as connection:
        snapshot = SourceTable(connection, run.source).take_snapshot()
        require_caught_up(state, snapshot)
        extract.check_source(run, connection)
        return extract.compare_values(run, connection, snapshot, state, newest_seq)


def newest_in_bronze(run: Run) -> int:
    """Return the newest attempt that has merged; the state may have been set back since."""
    table = run.warehouse.table_id("bronze", run.source.name)
    return int(
        run.warehouse.query(f"SELECT coalesce(max(_seq), 0) AS seq FROM `{table}`")[0]["seq"]
    )
