"""The figures of the report before this one: what has moved since."""

import json
from typing import Any

from credix.paths import paths_of
from credix.steps.context import Run

ATTEMPTS = 5


def remember(run: Run, figures: dict[str, Any]) -> dict[str, Any] | None:
    """Keep the figures of this report; those of the report before it, None on the first.

    `<prefix>/state/figures.json` holds aggregates of the newest report and of the one before, so
    that a report that is made twice is compared with the same figures. A file that cannot be read
    is written anew: nothing but this comparison hangs on it.
    """
    bucket, path = run.settings.lake_bucket, paths_of(run.settings).figures
    own = {"run_id": run.run_id, "business_date": run.business_date, **figures}
    before: dict[str, Any] | None = None
    for _ in range(ATTEMPTS):
        text, generation = run.lake.read_text(bucket, path) or ("", 0)
        before = choose_earlier(text, run.run_id)
        kept = json.dumps({"newest": own, "before": before}, indent=2) + "\n"
        if run.lake.write_if_unchanged("report.remember", bucket, path, kept, generation):
            break
    return before


def choose_earlier(text: str, run_id: str) -> dict[str, Any] | None:
    """The figures to compare with, of what the file says."""
    try:
        kept = json.loads(text)
        newest, before = kept["newest"], kept["before"]
        earlier = before if newest["run_id"] == run_id else newest
    except (ValueError, TypeError, KeyError):
        return None
    return earlier if isinstance(earlier, dict) and has_figures(earlier) else None


def has_figures(figures: dict[str, Any]) -> bool:
    return all(isinstance(figures.get(name), dict) for name in ("portfolio", "tiers"))
