"""Every value of the source against bronze, as a person asks for it between runs."""

from credix.leases import require_idle
from credix.steps import extract
from credix.steps.compare import Comparison
from credix.steps.context import Run, write_text


def compare_source(run: Run) -> Comparison:
    """What differs between the source now and bronze; rows not carried yet count as pending.

    Raises BusyError while a run works on the source: bronze would change under the comparison.
    """
    state = run.states.read_source(run.source.name)
    require_idle(state.lease, run.source.name)
    run.watermark = state.watermark
    write_text(run.source_folder / "state.json", state.to_json())
    with extract.connect(run) as connection:
        snapshot = extract.take_snapshot(run, connection)
        extract.check_source(run, connection)
        return extract.compare_values(run, connection, snapshot)
