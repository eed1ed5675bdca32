"""After a run is archived: the page of all runs, its lineage, and the alerts."""

from collections.abc import Iterator

from credix.clients.dbt.project import layer_of_models
from credix.clients.openlineage import send_events
from credix.core.errors import CredixError
from credix.core.interrupts import TerminatedError
from credix.core.results import Manifest
from credix.pipeline.history.publish import publish_history
from credix.pipeline.notify.alerts import alert
from credix.pipeline.notify.lineage import describe_lineage
from credix.state.store import StateStore


def follow_up(
    states: StateStore, manifest: Manifest, error: BaseException | None, summary: str
) -> Iterator[str]:
    """Publish, send the lineage, alert; what fails is reported in a sentence.

    Page and alerts are left to the next run then. `summary` says why the run failed without a value
    of a row. A run that the user interrupted alerts no one; one that a signal ended alerts and
    leaves the lineage: it has little time.
    """
    try:
        publish_history(states.lake)
    except CredixError as fault:
        yield f"The page of all runs was not written: {fault}"
    is_terminated = isinstance(error, TerminatedError)
    if isinstance(error, KeyboardInterrupt) and not is_terminated:
        return
    try:
        if states.settings.openlineage_url and not is_terminated:
            events = describe_lineage(states.settings, manifest, layer_of_models(), summary)
            send_events(states.settings, events)
    except CredixError as fault:
        yield f"The lineage was not sent: {fault}"
    try:
        for channel in alert(states, manifest, summary):
            yield f"An alert was not taken by {channel}."
    except CredixError as fault:
        yield f"An alert was not sent: {fault}"
