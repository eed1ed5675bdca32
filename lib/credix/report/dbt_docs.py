"""05: dbt's own documents, that is catalog and lineage, published beside the report."""

from typing import Any

import pandas as pd

from credix.clients.dbt.project import Dbt, project_fingerprint
from credix.core.addresses import history_address, page_address
from credix.core.errors import CredixError
from credix.core.paths import paths_of
from credix.core.redaction import without_values
from credix.report.sealed_pages import seal_catalog
from credix.state.run import Run


def publish_catalog(run: Run) -> dict[str, Any]:
    """Once a business day, and whenever the models change: dbt's page into the report bucket.

    The result has `status` (published, current or failed), the page's address, and a reason where
    it failed: documents fail no run. A sandbox run publishes nothing.
    """
    if run.is_sandbox:
        return {"status": "absent", "reason": "A sandbox run publishes nothing.", "page": None}
    paths, bucket = paths_of(run.settings), run.settings.report_bucket
    page = page_address(run.settings, bucket, paths.catalog_index)
    dated = paths.catalog(run.business_date, project_fingerprint())
    try:
        if run.lake.blobs(bucket, dated):
            return {"status": "current", "reason": "", "page": page}
        content = seal_catalog(Dbt(run.settings, run.effects, run.folder / "catalog").document())
        # The dated one comes last: where it is, the newest one is too.
        for path in (paths.catalog_index, dated):
            run.lake.replace(
                "catalog.publish", bucket, path, content, "text/html; charset=utf-8", "no-cache"
            )
    except CredixError as error:
        return {"status": "failed", "reason": without_values(str(error)), "page": None}
    return {"status": "published", "reason": "", "page": page}


def addresses(run: Run, monitoring: dict[str, Any], catalog: dict[str, Any]) -> pd.DataFrame:
    """Where to look further."""
    pages = {
        "all runs": history_address(run.settings),
        "catalog and lineage (dbt)": catalog["page"] or catalog["reason"],
        "monitors (Elementary)": monitoring["page"] or monitoring["reason"],
    }
    return pd.DataFrame({"page": list(pages), "address": list(pages.values())})
