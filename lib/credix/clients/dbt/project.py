"""dbt, in process: the same project that `dbt build` runs by hand with the same variables."""

import hashlib
import re
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from google.api_core.exceptions import ServiceUnavailable

from credix.clients.bigquery.errors import own_error
from credix.clients.bigquery.job_labels import JobLabels
from credix.clients.bigquery.job_records import is_measured_by
from credix.clients.bigquery.reasons import fault_of_text
from credix.clients.dbt.attempts import BuildAttempts
from credix.clients.dbt.call import call_dbt, prepare_dbt
from credix.clients.dbt.faults import failed_build, is_given_up
from credix.clients.dbt.nodes import Outcome, in_one_line, job_of, read_outcomes
from credix.clients.dbt.results import add_lines
from credix.clients.effects import Effects
from credix.core.disk import replacing
from credix.core.errors import SettingsError, StepError, TransientError
from credix.core.results import DbtNode, Fault
from credix.core.settings import PROJECT_DIR, Settings

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult

PROJECT = PROJECT_DIR / "dbt" / "business_case"
# A model that another one reads, named as a literal.
REFERENCE = re.compile(r"""\bref\(\s*['"](\w+)['"]\s*\)""")
# What dbt puts before the message of its adapter.
DATABASE_ERROR = "Database Error "
PARSE_CACHE = "partial_parse.msgpack"


class Dbt:
    """Runs dbt for one run; its target folder is the run's own, the parse cache is shared."""

    def __init__(
        self,
        settings: Settings,
        effects: Effects,
        folder: Path,
        project: Path | None = None,
        labels: JobLabels | None = None,
    ) -> None:
        self.settings, self.effects, self.labels = settings, effects, labels
        self.folder, self.project = folder, project or PROJECT
        self.target = folder / "dbt"
        caches = settings.run_dir.parent / "dbt" / settings.prefix
        self.cache = caches / f"{self.project.name}.{PARSE_CACHE}"

    def build(
        self, effect: str, selectors: Sequence[str], values: Mapping[str, str]
    ) -> list[DbtNode]:
        """Build models and run their tests, again where they failed for a reason that passes.

        Raises DataError naming what failed, or the error of what else was the matter. What became
        of each is kept in the run's folder, whether or not it failed.
        """
        command = ["build", "--exclude-resource-type", "unit_test"]
        target = f"dbt {' '.join(selectors)}"
        values = self._with_labels(effect, values)
        attempts = BuildAttempts(
            lambda chosen: self._start(target, [*command, *chosen], values), selectors
        )
        try:
            self.effects.perform(effect, target, attempts.run)
        except TransientError:
            # What the nodes report is raised below.
            if not attempts.nodes:
                raise
        finally:
            if attempts.nodes:
                add_lines(self.folder, attempts.lines)
        failed = [node for node in attempts.nodes if node.has_failed]
        if failed:
            raise failed_build(failed, len(attempts.nodes), self.settings)
        return attempts.nodes

    def execute(
        self, effect: str, command: str, selectors: Sequence[str], values: Mapping[str, str]
    ) -> list[DbtNode]:
        """Run a command of dbt, such as `test`; a node that fails is reported by its status."""
        arguments, target = [command, "--select", *selectors], f"dbt {' '.join(selectors)}"
        values = self._with_labels(effect, values)
        outcomes = self.effects.perform(
            effect, target, lambda: self._start(target, arguments, values)
        )
        return [outcome.node for outcome in outcomes]

    def _with_labels(self, effect: str, values: Mapping[str, str]) -> Mapping[str, str]:
        """Return the values with what the jobs of this effect say of the run."""
        return (
            {**values, "CREDIX_DBT_LABELS": self.labels.as_json(effect)} if self.labels else values
        )

    def _start(
        self, target: str, arguments: Sequence[str], values: Mapping[str, str]
    ) -> list[Outcome]:
        """Call dbt once; `target` is what messages call it.

        Raises SettingsError where dbt did not come to any node, ServiceUnavailable where that was
        BigQuery's fault and passes by itself, TransientError where dbt has waited for that already.
        """
        result = self._invoke(arguments, values)
        outcomes = list(read_outcomes(result, is_measured=is_measured_by(self.settings)))
        self.effects.jobs.extend(job_of(outcome.node) for outcome in outcomes)
        reported = in_one_line(result.exception)
        if not outcomes and is_given_up(reported):
            raise own_error(Fault.TRANSIENT, f"{target}: {reported.removeprefix(DATABASE_ERROR)}")
        if not outcomes and fault_of_text(str(result.exception or "")) is Fault.TRANSIENT:
            raise ServiceUnavailable(reported)
        has_failed = any(outcome.node.has_failed for outcome in outcomes)
        if not has_failed and (result.exception or not result.success):
            raise SettingsError(f"dbt could not start: {reported}")
        if not outcomes:
            raise SettingsError(f"dbt selected nothing with {' '.join(arguments)}.")
        return outcomes

    def parse(self) -> None:
        """Read the project and keep what was read for the next build."""
        self._invoke(["parse"], {})

    def document(self) -> bytes:
        """Dbt's page of catalog and lineage, which opens without a network.

        Raises StepError when dbt does not write it.
        """
        command = ["docs", "generate", "--static"]
        with warnings.catch_warnings():
            # A library of dbt warns of a column that BigQuery's catalog does not have.
            warnings.filterwarnings("ignore", category=RuntimeWarning, module="agate")
            result = self.effects.perform(
                "dbt.document", "dbt docs", lambda: self._invoke(command, {}, is_written=True)
            )
        page = self.target / "static_index.html"
        if not page.exists():
            raise StepError(f"dbt wrote no catalog: {in_one_line(result.exception)}")
        content = page.read_bytes()
        # Where this machine keeps its files is private.
        for folder, name in ((self.target, b"target"), (self.project, b".")):
            content = content.replace(str(folder).encode(), name)
        return content

    def executed_sql(self, model: str) -> str:
        """Return the statement that the last build sent for a model."""
        found = sorted(self.target.glob(f"run/*/models/**/{model}.sql"))
        return found[0].read_text("utf-8").strip() if found else ""

    def _invoke(
        self, arguments: Sequence[str], values: Mapping[str, str], *, is_written: bool = False
    ) -> "dbtRunnerResult":
        """Call dbt; `is_written` lets it write what its documents are made of."""
        self.target.mkdir(parents=True, exist_ok=True)
        if self.cache.exists() and not (self.target / PARSE_CACHE).exists():
            shutil.copyfile(self.cache, self.target / PARSE_CACHE)
        folders = {
            "--project-dir": self.project,
            "--profiles-dir": PROJECT,
            "--target-path": self.target,
            "--log-path": self.target / "logs",
        }
        options = [part for name, path in folders.items() for part in (name, str(path))]
        # Results come back in process: nothing reads manifest.json and run_results.json.
        options += ["--quiet", "--write-json" if is_written else "--no-write-json"]
        command = [*arguments, "--target", self.settings.env]
        prepare_dbt(self.settings)
        result = call_dbt(command, options, {**self.settings.variables(), **values})
        self._keep_parse_cache()
        return result

    def _keep_parse_cache(self) -> None:
        """A replaced file, never a half written one: other runs read it."""
        fresh = self.target / PARSE_CACHE
        if fresh.exists():
            with replacing(self.cache) as beside:
                shutil.copyfile(fresh, beside)


def warm_up() -> None:
    """Let dbt read its project once in this process: the first time costs it a second more."""
    settings = Settings.load()
    with TemporaryDirectory() as folder:
        Dbt(settings, Effects(), Path(folder)).parse()


def project_fingerprint() -> str:
    """Return what decides the rows of silver and gold, as a hash: models, macros and seeds."""
    files = [PROJECT / "dbt_project.yml"]
    for folder in ("models", "macros", "seeds"):
        files += sorted(path for path in (PROJECT / folder).rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(PROJECT).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def table_names(layer: str) -> set[str]:
    """Return the tables of a layer, seeds among them."""
    seeds = {path.stem for path in (PROJECT / "seeds" / layer).glob("*.csv")}
    return seeds | {model for model, of in layer_of_models().items() if of == layer}


def sources_of_gold() -> list[str]:
    """Return the sources whose bronze a model of silver or gold reads; others never touch gold."""
    layers, read = layer_of_models(), set[str]()
    for path in (PROJECT / "models").glob("*/*.sql"):
        if layers[path.stem] != "bronze":
            read.update(REFERENCE.findall(path.read_text("utf-8")))
    return sorted(name for name in read if layers.get(name) == "bronze")


def layer_of_models() -> dict[str, str]:
    """Return the layer of each model."""
    return {path.stem: path.parent.name for path in (PROJECT / "models").glob("*/*.sql")}
