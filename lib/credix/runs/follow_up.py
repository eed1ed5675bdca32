"""Behind a run that is archived: the page of all runs, and the alerts."""

from collections.abc import Iterator, Mapping
from typing import Any

from credix.clients.state_store import StateStore
from credix.errors import CredixError
from credix.runs.alert import alert
from credix.runs.publish import publish_history


def follow_up(
    states: StateStore, manifest: Mapping[str, Any], error: BaseException | None, summary: str
) -> Iterator[str]:
    """Publish and alert; what does not work is left to the next run, and said in a sentence.

    `summary` says why the run failed without a value of a row. A run that somebody interrupted
    alerts nobody.
    """
    try:
        publish_history(states.lake)
    except CredixError as fault:
        yield f"The page of all runs was not written: {fault}"
    if isinstance(error, KeyboardInterrupt):
        return
    try:
        for channel in alert(states, manifest, summary):
            yield f"An alert was not taken by {channel}."
    except CredixError as fault:
        yield f"An alert was not sent: {fault}"
