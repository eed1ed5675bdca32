"""A job from fence to archive: which notebook runs when, and what is true at the end."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from credix.clients.dbt.project import project_fingerprint, sources_of_gold
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.disk import disk_named, require_writable
from credix.core.errors import CredixError, FenceError
from credix.core.jobs import (
    GOLD_LAYERS,
    GOLD_STEP,
    LAYERS,
    REPORT_STEP,
    SOURCE_STEPS,
    Job,
    parse_layers,
)
from credix.core.paths import paths_of
from credix.core.redaction import Redactor
from credix.core.results import (
    AnyResult,
    BrokenStep,
    ExtractResult,
    Manifest,
    RunStatus,
    TransformResult,
)
from credix.core.run_options import RunOptions
from credix.core.settings import Settings
from credix.core.watermarks import Watermark
from credix.pipeline.archive import archive_run, read_manifest
from credix.pipeline.clear_parts import clear_parts
from credix.pipeline.locks import correct_last_run, hold_sources
from credix.pipeline.manifest import RunRecord
from credix.pipeline.notebooks import execute as notebooks
from credix.pipeline.notebooks.execute import NotebookJob
from credix.pipeline.notebooks.kernels import Kernels
from credix.pipeline.notebooks.pages import Pages
from credix.pipeline.notify.follow_up import follow_up
from credix.pipeline.results import describe_error, read_journal, read_result, summarize_error
from credix.state.run import (
    JOURNAL,
    Run,
    build_run,
    describe,
    new_run_id,
    today,
    write_text,
    write_value,
)
from credix.state.states import SourceState
from credix.state.store import StateStore
from credix.warehouse.checkpoint import commit_watermark


@dataclass(frozen=True)
class Places:
    """Where a run is found: its address in the archive, and its folder on this machine."""

    archive: str
    folder: Path


class Reporter(notebooks.Reporter, Protocol):
    """Receives the progress of a run."""

    def run_started(self, run_id: str, job: str) -> None: ...
    def step_finished(self, notebook: str, source: str, result: AnyResult) -> None: ...
    def run_finished(self, manifest: Manifest, places: Places) -> None: ...
    def warned(self, message: str) -> None: ...


@dataclass(frozen=True)
class Request:
    """What the user asked for. `watermarks` replaces the state's by source; None reads in full."""

    job: Job
    business_date: str | None
    watermarks: Mapping[str, Watermark | None]
    parameters: Mapping[str, JsonValue]
    orders: RunOptions = field(default_factory=RunOptions)


class Pipeline:
    """One run of one job. Every path out of `run` releases the leases and leaves a manifest."""

    def __init__(
        self,
        settings: Settings,
        request: Request,
        reporter: Reporter,
        kernels: Kernels | None = None,
    ) -> None:
        self.settings, self.request, self.reporter = settings, request, reporter
        self.kernels = kernels or Kernels()
        self.effects = Effects(settings.retry_seconds)
        self.lake = Lake(settings, self.effects)
        self.states = StateStore(settings, self.lake)
        self.redactor = Redactor(settings.secrets())
        notebooks.refuse_unknown_parameters(request.job.notebooks, request.parameters)
        self.layers = parse_layers(request.parameters.get("layers", LAYERS))
        self.has_built_gold = self.is_archiving = False
        self.pages = Pages()
        self.run_id = new_run_id(request.job.name)
        self.folder = settings.run_dir / self.run_id
        self.record = RunRecord(
            run_id=self.run_id,
            job=request.job.name,
            trigger=settings.trigger,
            env=settings.env,
            business_date=request.business_date or today(settings),
            parameters=request.parameters,
        )

    def run(self) -> Manifest:
        """Run the job to its end and return the manifest.

        The sources are held until bronze and gold have their rows: report, archive and alerts
        keep no other run waiting. Raises BusyError before anything was started when another run
        holds a source for longer than this one waits.
        """
        require_writable(self.folder)
        for bucket in (self.settings.lake_bucket, self.settings.archive_bucket):
            self.lake.require_bucket(bucket)
        sources, warn = self.request.job.sources, self.reporter.warned
        with self.pages, self.kernels, ExitStack() as hold:
            held = hold.enter_context(hold_sources(self.states, sources, self.record, warn))
            try:
                with disk_named(self.folder):
                    self.reporter.run_started(self.run_id, self.request.job.name)
                    self.record.status = self._carry(held)
                    hold.close()
                    self._clear_parts(held)
                    self._report()
                manifest, location = self._archive()
            except BaseException as error:
                self.kernels.close()
                found = self._find_archived()
                if found is None:
                    self._fail(error, hold)
                    archived = self._archive()
                    if isinstance(error, FenceError):
                        self._clear_parts(held)
                    self._notify(*archived, error)
                    raise
                manifest, location = found
                if not isinstance(error, CredixError):
                    raise
            self._notify(manifest, location, None)
            return manifest

    def _fail(self, error: BaseException, hold: ExitStack) -> None:
        """Say that the run has failed in its manifest and in the states of its sources.

        A report or an archive that fails comes after the release, which has recorded the run as
        done.
        """
        self.record.status = "failed"
        self.record.error = self.redactor.text(describe_error(error))
        hold.close()
        for source in self.record.attempts:
            with suppress(CredixError):
                correct_last_run(self.states, source, self.record)

    def _carry(self, states: Mapping[str, SourceState]) -> RunStatus:
        """Load every source into bronze, and what has changed into gold."""
        write_value(self.folder / "gold" / "run.json", describe(self._open(None, 0, None)))
        has_changes = [self._carry_source(source, state) for source, state in states.items()]
        is_current = not self._feeds_gold(states) or self._gold_is_current()
        if states and not any(has_changes) and is_current:
            return "no_changes"
        if states and not is_current and not self.has_built_gold:
            self._execute(GOLD_STEP, None, {"layers": GOLD_LAYERS})
        return "done"

    def _report(self) -> None:
        """Execute 05 where the job has it and something was loaded or may have changed."""
        if self.request.job.has_report and self.record.status == "done":
            self._execute(REPORT_STEP, None, {})

    def _carry_source(self, source: str, state: SourceState) -> bool:
        """Load one source from PostgreSQL into bronze; False when nothing had changed.

        A large read comes in slices; after the last one follows the delta that completes it.
        """
        watermark = self.request.watermarks.get(source, state.watermark)
        run = replace(self._open(source, state.attempt, watermark), orders=self.request.orders)
        write_text(run.source_folder / "state.json", state.to_json())
        extracted = self._carry_delta(run)
        while extracted.slice:
            from credix.warehouse.cycle import open_following

            # A repair in 04 has raised the fence once more.
            attempt = run.read_result(TransformResult).attempt
            run = open_following(run, attempt, self.folder)
            extracted = self._carry_delta(run)
        return extracted.status != "no_changes" or run.folder != self.folder

    def _carry_delta(self, run: Run) -> ExtractResult:
        """Run 01 to 04 for a delta or a slice; return the result of 01."""
        self._execute(
            SOURCE_STEPS[0],
            run,
            {
                "watermark": run.watermark.model_dump() if run.watermark else None,
                "attempt": run.attempt,
                "run_id": self.run_id,
                "business_date": self.record.business_date,
                **run.orders.as_parameters(),
            },
        )
        extracted = run.read_result(ExtractResult)
        if extracted.status == "no_changes":
            commit_watermark(run, extracted, is_merged=False)
            self.effects.records.extend(run.effects.records)
            return extracted
        for step in SOURCE_STEPS[1:3]:
            self._execute(step, run, {})
        sources = self.request.job.sources
        builds_gold = len(sources) == 1 and not extracted.slice and self._feeds_gold(sources)
        layers = self.layers if builds_gold else LAYERS[:1]
        self._execute(SOURCE_STEPS[3], run, {"layers": layers})
        self.has_built_gold = self.has_built_gold or "gold" in layers
        return extracted

    def _feeds_gold(self, sources: Iterable[str]) -> bool:
        """Return whether this run builds gold and a model of it reads one of the sources."""
        return "gold" in self.layers and not set(sources).isdisjoint(sources_of_gold())

    def _gold_is_current(self) -> bool:
        seen = sources_of_gold()
        committed = {name: self.states.read_source(name).committed_seq for name in seen}
        return self.states.read_gold().is_current(
            self.record.business_date, committed, project_fingerprint()
        )

    def _execute(self, step: str, run: Run | None, parameters: Mapping[str, object]) -> None:
        """Execute a notebook and keep its step result; without one the step has failed."""
        folder = run.folder if run else self.folder
        source = run.source_name if run else None
        # The notebooks of a run are stored side by side, whatever slice they are of.
        suffix = "" if folder == self.folder else f".{folder.name}"
        name = f"{step}.{source}" if source else step
        owner = source or "gold"
        result_path = folder / owner / f"{step}.json"
        output = self.folder / f"{name}{suffix}.ipynb"
        known = {
            "source": source or "",
            "run_folder": str(folder),
            "result_path": str(result_path),
            **parameters,
        }
        journal = folder / owner / JOURNAL
        before = len(read_journal(journal))
        try:
            notebooks.execute(
                NotebookJob(
                    step,
                    output,
                    known,
                    partial(self._foresee, step, source, folder / owner / "parts"),
                ),
                self.redactor,
                self.reporter,
                self.kernels,
                self.settings.notebook_timeout_seconds,
            )
            self.pages.begin(output)
            result = read_result(result_path, step)
        except BaseException:
            effects = read_journal(journal)[before:]
            self.record.broken = BrokenStep(source=owner, step=step, effects=tuple(effects))
            raise
        self.record.add(owner, f"{step}{suffix}", self.redactor.record(result))
        self.reporter.step_finished(step, owner, result)

    def _foresee(self, step: str, source: str | None, parts: Path) -> tuple[str, ...]:
        """Return the notebooks whose kernels should start while this one runs."""
        has_rows = any(parts.glob("*.parquet"))
        has_gold = self._feeds_gold(self.request.job.sources)
        return self.request.job.following(step, source, has_rows, has_gold)

    def _open(self, source: str | None, attempt: int, watermark: Watermark | None) -> Run:
        return build_run(
            self.settings,
            self.run_id,
            self.folder,
            source,
            attempt,
            watermark,
            self.record.business_date,
        )

    def _clear_parts(self, sources: Iterable[str]) -> None:
        for source in sources:
            clear_parts(self.folder, source)

    def _archive(self) -> tuple[Manifest, str]:
        """Return the manifest and its address. The error of a failed run outweighs one in here."""
        manifest = self.redactor.record(self.record.describe(self.effects.records))
        self.is_archiving = True
        try:
            return archive_run(self.lake, self.folder, manifest, self.pages)
        except (CredixError, OSError) as error:
            if self.record.status != "failed":
                raise
            return manifest, f"{self.folder} (not archived: {error})"

    def _find_archived(self) -> tuple[Manifest, str] | None:
        """Return the manifest of a run that ended and lost only the archive's answer."""
        if not self.is_archiving:
            return None
        folder = paths_of(self.settings).run(self.run_id)
        try:
            manifest = read_manifest(self.lake, folder)
        except CredixError:
            return None
        if manifest is None:
            return None
        return manifest, f"gs://{self.settings.archive_bucket}/{folder}"

    def _notify(self, manifest: Manifest, location: str, error: BaseException | None) -> None:
        """Notify people of a run whose end is archived: nothing in here changes how it ended."""
        summary = self.redactor.text(summarize_error(error)) if error else ""
        for warning in follow_up(self.states, manifest, error, summary):
            self.reporter.warned(warning)
        # Those of the archive and of what follows it are in no archived manifest.
        effects = tuple(map(self.redactor.record, self.effects.records))
        whole = manifest.model_copy(update={"effects": effects})
        self.reporter.run_finished(whole, Places(location, self.folder))
