"""After a run: find what is wrong, put it into words, notify once and once when it is over."""

from datetime import UTC, datetime
from functools import partial

from credix.clients.notifications import Channels
from credix.core.addresses import run_address
from credix.core.contracts import load_source
from credix.core.freshness import in_words, seconds_between
from credix.core.results import ExtractResult, Manifest, Monitoring, ReportResult
from credix.core.schedules import late_bound
from credix.core.settings import Settings
from credix.state.incidents import Findings, Incident, Incidents, Kind
from credix.state.states import GOLD, SourceState
from credix.state.store import StateStore


def alert(states: StateStore, manifest: Manifest, summary: str) -> list[str]:
    """Judge a run and notify the channels; return those that have not accepted a message."""
    if not Channels(states.settings).are_configured:
        return []
    return notify(states, manifest.run_id, find(manifest, summary, states))


def notify(states: StateStore, run_id: str, findings: Findings) -> list[str]:
    """Notify of what has begun and what is over; return the channels that accepted no message.

    An incident is stored before it is sent, and stored as sent afterwards: where a run dies or
    another ends in between it may be sent twice, it is never lost. Raises TransientError where no
    channel accepts a message: the next run sends it.
    """
    settings = states.settings
    channels = Channels(settings)
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    incidents = states.change_incidents(
        "alert.note", lambda known: known.judge(findings, now, run_id)
    )
    refused: set[str] = set()
    for key, incident in incidents.untold().items():
        title, text = describe(settings, key, incident)
        event = "all_clear" if incident.is_over else "alert"
        attributes = {"event": event, "incident": key, "env": settings.env}
        refused.update(channels.send(title, text, attributes))
        states.change_incidents("alert.note", partial(Incidents.mark_sent, key=key, sent=incident))
    return sorted(refused)


def describe(settings: Settings, key: str, incident: Incident) -> tuple[str, str]:
    """Return title and text of an alert or an all-clear."""
    what = f"{settings.prefix} ({settings.env}): {key}"
    page = run_address(settings, incident.run_id)
    if incident.is_over:
        return f"Over: {what}", f"This is over; it began at {incident.since}: {incident.text}"
    return f"Alert: {what}", f"{incident.text}\nSince {incident.since}, run {page}"


def find(manifest: Manifest, summary: str, states: StateStore) -> Findings:
    """Return what is wrong after this run; `summary` is why it failed, without a value of a row."""
    settings = states.settings
    run = Kind.RUN.of(manifest.job)
    wrong = {run: summary} if manifest.status == "failed" else {}
    judged = {run}
    for source, steps in manifest.steps.items():
        extracted = steps.get(ExtractResult.step_name())
        if not isinstance(extracted, ExtractResult):
            continue
        is_from_outside = extracted.received is not None
        key = (Kind.REFUSED if is_from_outside else Kind.DRIFT).of(source)
        judged.add(key)
        messages = extracted.refused if is_from_outside else extracted.messages
        if messages:
            wrong[key] = " ".join(messages)
    wrong_tables, judged_tables = find_monitored(manifest)
    wrong |= wrong_tables
    judged |= judged_tables
    for source in manifest.sources:
        judged.add(Kind.LATE.of(source))
        late = find_lateness(states.read_source(source), settings)
        if late:
            wrong[Kind.LATE.of(source)] = late
        warning = find_slot_warning(source, settings)
        judged.add(Kind.SLOT.of(source))
        if warning:
            wrong[Kind.SLOT.of(source)] = warning
    return Findings(wrong, frozenset(judged))


def find_monitored(manifest: Manifest) -> tuple[dict[str, str], set[str]]:
    """Return what Elementary found, by table, and the tables that it looked at.

    A monitor that warns is shown, but sends no alert. Elementary itself can be an incident.
    """
    report = manifest.steps.get(GOLD, {}).get(ReportResult.step_name())
    monitoring = report.monitoring if isinstance(report, ReportResult) else Monitoring()
    if monitoring.status == "absent":
        return {}, set()
    judged = {str(Kind.MONITORING)} | {Kind.MONITOR.of(one.table) for one in monitoring.monitors}
    found: dict[str, list[str]] = {}
    for one in monitoring.monitors:
        if one.has_failed:
            found.setdefault(Kind.MONITOR.of(one.table), []).append(one.monitor)
    wrong = {key: f"Not true any more: {', '.join(names)}." for key, names in found.items()}
    if monitoring.status == "failed":
        wrong[Kind.MONITORING] = f"The tables are not watched: {monitoring.reason}"
    return wrong, judged


def find_slot_warning(name: str, settings: Settings) -> str | None:
    """Return what `status` warns of where the source's slot makes its server keep much log."""
    source = load_source(name)
    if source.capture != "log":
        return None
    # It imports the warehouse's client, which a run has no other use for.
    from credix.pipeline.history.status import SLOT_WARNING, describe_slot

    text = describe_slot(settings, source)
    return text if SLOT_WARNING in text else None


def find_lateness(state: SourceState, settings: Settings) -> str | None:
    """Return how old bronze is beside the source, in words, where that is beyond the bound."""
    read_at = state.watermark.snapshot_at if state.watermark else None
    if read_at is None:
        return None
    bound = late_bound(load_source(state.source), settings)
    if seconds_between(read_at, datetime.now(UTC).isoformat()) <= bound.seconds:
        return None
    return (
        f"Bronze holds {state.source} as of {read_at[:16]} UTC, which is late from "
        f"{in_words(bound.seconds)} on: {bound.reason}."
    )
