"""Where things lie in the buckets and what temp tables are called: names as pure functions."""

import hashlib
from dataclasses import dataclass

from credix.core.contracts import Source
from credix.core.settings import Settings

DATASETS = ("temp", "bronze", "silver", "gold", "elementary", "elementary__tests")
HASH_DIGITS = 12
# The control table that all sources shared in earlier versions.
SHARED_CONTROL = "capture_control"


@dataclass(frozen=True)
class LakePaths:
    """The folders of one prefix in the lake and archive buckets."""

    prefix: str

    @property
    def landing(self) -> str:
        return f"{self.prefix}/landing/"

    def landed(self, ingestion_date: str, object_name: str) -> str:
        return f"{self.landing}ingestion_dt={ingestion_date}/{object_name}"

    def archived(self, landed: str) -> str:
        """In the archive bucket, under the same day and name as in landing."""
        return f"{self.prefix}/archive/{landed.removeprefix(self.landing)}"

    def failed(self, landed: str) -> str:
        """In the lake bucket; the reason is in the object's metadata."""
        return f"{self.prefix}/failed/{landed.removeprefix(self.landing)}"

    def external(self, source: str) -> str:
        """In the landing folder: where outside writers put files of a source."""
        return f"{self.landing}external/{source}/"

    def received(self, source: str, sha256: str, name: str) -> str:
        """In the archive bucket: a file of an outside writer that is merged, by its content."""
        return f"{self.prefix}/received/{source}/{sha256[:HASH_DIGITS]}/{name}"

    @property
    def erasure_key(self) -> str:
        """In the lake bucket: the secret of the hashes in records of erasures."""
        return f"{self.prefix}/state/erasure_key"

    def erasures(self, source: str) -> str:
        """In the lake bucket: the records of erasures."""
        return f"{self.prefix}/erasures/{source}/"

    def merged(self, source: str, attempt: int) -> str:
        """In the archive bucket: the record that bronze was proven to hold an attempt's files."""
        return f"{self.prefix}/merged/{source}/{attempt:012d}.json"

    def rereads(self, source: str) -> str:
        """In the lake bucket: what the names of a source's files of row versions begin with."""
        return f"{self.prefix}/state/rereads/{source}-"

    @property
    def runs(self) -> str:
        return f"{self.prefix}/runs/"

    @property
    def figures(self) -> str:
        """In the lake bucket: the figures of the newest gold reported and of the one before."""
        return f"{self.prefix}/state/figures.json"

    @property
    def history(self) -> str:
        """In the bucket of run pages: the history of all runs."""
        return f"{self.prefix}/index.html"

    @property
    def elementary_index(self) -> str:
        """In the report bucket: Elementary's newest page."""
        return f"{self.prefix}/index.html"

    def elementary_report(self, run_id: str) -> str:
        """In the report bucket: Elementary's page as a run has left it."""
        return f"{self.prefix}/reports/{run_id}/index.html"

    @property
    def catalog_index(self) -> str:
        """In the report bucket: dbt's catalog and lineage as they are now."""
        return f"{self.prefix}/catalog/index.html"

    def catalog(self, business_date: str, fingerprint: str) -> str:
        """In the report bucket: those of a business day and of one version of the models."""
        return f"{self.prefix}/catalog/{business_date}-{fingerprint}.html"

    def results(self, run_id: str) -> str:
        """In the lake bucket, for a moment: results of dbt on their way to Elementary."""
        return f"{self.prefix}/monitoring/{run_id}.parquet"

    def run(self, run_id: str) -> str:
        """Return the folder of a run in the archive bucket; the id begins with its day."""
        day = f"{run_id[0:4]}-{run_id[4:6]}-{run_id[6:8]}"
        return f"{self.runs}dt={day}/{run_id}/"


def paths_of(settings: Settings) -> LakePaths:
    return LakePaths(settings.prefix)


def hashed_table(source: Source, run_id: str, attempt: int) -> str:
    """Return the temp table of one attempt of one run at one source."""
    digest = hashlib.sha256(f"{run_id}/{attempt}/{source.name}".encode()).hexdigest()
    return f"{source.name}_{digest[:HASH_DIGITS]}"


def is_hashed_table(table: str, source: Source) -> bool:
    suffix = table.removeprefix(f"{source.name}_")
    return len(suffix) == HASH_DIGITS and set(suffix) <= set("0123456789abcdef")


def results_table(run_id: str) -> str:
    """Return the temp table that hands results of dbt over to Elementary."""
    return f"dbt_results_{hashlib.sha256(run_id.encode()).hexdigest()[:HASH_DIGITS]}"


def control_table(source: str) -> str:
    """The table beside a bronze table that holds its guard and the newest claim of a merge."""
    return f"{SHARED_CONTROL}_{source}"


def stable_table(source: Source) -> str:
    """Return the temp table that always holds the latest load, for people."""
    return f"{source.name}_dbt"


def reference_table(source: Source) -> str:
    """Return the empty table whose schema every load is held to."""
    return f"{source.name}_schema"
