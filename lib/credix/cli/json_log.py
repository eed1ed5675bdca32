"""The progress of a run as JSON lines, one per effect, as log services take them.

`severity`, `time`, `message` and the `logging.googleapis.com/…` fields are those of Cloud Logging's
structured logs; the trace holds all lines of a run together.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from credix.cli.terminal import TerminalReporter, messages_of
from credix.core.results import AnyResult, EffectRecord, Manifest
from credix.core.settings import Settings

if TYPE_CHECKING:
    from credix.pipeline.pipeline import Places

# Facts of a step result that a log service can count with.
COUNTED = ("rows", "deleted_rows", "size_bytes", "bytes_processed", "jobs_without_bytes")


class JsonReporter:
    """Writes a line for every effect, step, warning and end of a run."""

    def __init__(self, settings: Settings, stream: TextIO | None = None) -> None:
        self.settings, self.stream = settings, stream or sys.stdout
        self.run: dict[str, object] = {}

    def run_started(self, run_id: str, job: str) -> None:
        trace = hashlib.sha256(run_id.encode()).hexdigest()[:32]
        self.run = {
            "logging.googleapis.com/trace": f"projects/{self.settings.gcp_project}/traces/{trace}",
            "logging.googleapis.com/labels": {"env": self.settings.env, "job": job},
            "run_id": run_id,
        }
        self._write("INFO", "The run starts", {"event": "run_started"})

    def cell_started(self, notebook: str, number: int, count: int, heading: str) -> None: ...

    def progressed(self, line: str) -> None: ...

    def step_finished(self, notebook: str, source: str, result: AnyResult) -> None:
        """The step's effects, then the step; the time of a line is not that of its effect."""
        place = {"step": notebook, "source": source}
        self._write_effects(result.effects, place)
        found = {name: getattr(result, name, None) for name in COUNTED}
        counts = {name: count for name, count in found.items() if count is not None}
        facts = {
            "event": "step_finished",
            "milliseconds": milliseconds(result.seconds),
            **counts,
        }
        self._write("INFO", f"{notebook} {source}: {result.status}", {**place, **facts})
        for message in messages_of(result):
            self._write("WARNING", message, {**place, "event": "message"})

    def warned(self, message: str) -> None:
        self._write("WARNING", message, {"event": "warning"})

    def run_finished(self, manifest: Manifest, places: "Places") -> None:
        """What a step that failed has done, what the run's own process has, then the end."""
        broken = manifest.broken_step
        if broken:
            place = {"step": broken.step, "source": broken.source}
            self._write_effects(broken.effects, place)
        self._write_effects(manifest.effects, {"step": "run"})
        is_failed = manifest.status == "failed"
        facts = {
            "event": "run_finished",
            "status": manifest.status,
            "milliseconds": milliseconds(manifest.seconds),
            "archive": places.archive,
        }
        message = manifest.error or "" if is_failed else f"The run ended: {manifest.status}"
        self._write("ERROR" if is_failed else "INFO", message, facts)

    def _write_effects(self, effects: Iterable[EffectRecord], place: Mapping[str, str]) -> None:
        for effect in effects:
            facts = {
                "event": "effect",
                "effect": effect.name,
                "target": effect.target,
                "tries": effect.tries,
                "milliseconds": milliseconds(effect.seconds),
            }
            self._write("INFO", f"{effect.name} {effect.target}", {**place, **facts})

    def _write(self, severity: str, message: str, facts: Mapping[str, object]) -> None:
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"severity": severity, "time": time, "message": message, **self.run, **facts}
        print(json.dumps(line, default=str), file=self.stream, flush=True)


def reporter_for(settings: Settings) -> JsonReporter | TerminalReporter:
    """Return the reporter of a run that CREDIX_LOG_FORMAT names."""
    return JsonReporter(settings) if settings.log_format == "json" else TerminalReporter()


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
