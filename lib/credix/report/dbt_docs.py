"""05: dbt's own documents, that is catalog and lineage, published beside the report."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from credix.clients.dbt.project import Dbt, project_fingerprint
from credix.core.addresses import history_address, page_address
from credix.core.errors import CredixError
from credix.core.paths import paths_of
from credix.core.redaction import without_values
from credix.core.results import Monitoring
from credix.report.sealed_pages import seal_catalog
from credix.state.run import Run


@dataclass(frozen=True)
class Catalog:
    """How dbt's page was published, where it is, and why it is not."""

    status: Literal["absent", "current", "failed", "published"]
    reason: str = ""
    page: str | None = None


def publish_catalog(run: Run) -> Catalog:
    """Publish dbt's page once a business day, and whenever the models change.

    The result has `status` (published, current or failed), the page's address, and a reason where
    it failed: documents fail no run. A sandbox run publishes nothing.
    """
    if run.is_sandbox:
        return Catalog("absent", "A sandbox run publishes nothing.")
    paths, bucket = paths_of(run.settings), run.settings.report_bucket
    page = page_address(run.settings, bucket, paths.catalog_index)
    dated = paths.catalog(run.business_date, project_fingerprint())
    try:
        if run.lake.objects(bucket, dated):
            return Catalog("current", page=page)
        content = seal_catalog(Dbt(run.settings, run.effects, run.folder / "catalog").document())
        # The dated one comes last: where it is, the newest one is too.
        for path in (paths.catalog_index, dated):
            run.lake.replace(
                "catalog.publish", bucket, path, content, "text/html; charset=utf-8", "no-cache"
            )
    except CredixError as error:
        return Catalog("failed", without_values(str(error)))
    return Catalog("published", page=page)


def addresses(run: Run, monitoring: Monitoring, catalog: Catalog) -> pd.DataFrame:
    """Return where to look further."""
    pages = {
        "all runs": history_address(run.settings),
        "catalog and lineage (dbt)": catalog.page or catalog.reason,
        "monitors (Elementary)": monitoring.page or monitoring.reason,
    }
    return pd.DataFrame({"page": list(pages), "address": list(pages.values())})
