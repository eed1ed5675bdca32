"""The figures of an earlier gold, and what has moved since."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pandas as pd
from pydantic import ValidationError

from credix.core.paths import paths_of
from credix.core.watermarks import Value
from credix.report.portfolio import FIGURES, TIERS
from credix.state.run import Run

ATTEMPTS = 5


class GoldFigures(Value):
    """The figures of a gold: the portfolio's by name, and companies by tier."""

    built_by: str
    built_at: str
    portfolio: dict[str, float]
    tiers: dict[str, int]


class KeptFigures(Value):
    """`figures.json`: those of the newest gold that was reported, and of the one before."""

    newest: GoldFigures
    before: GoldFigures | None = None


def remember(
    run: Run, portfolio: Mapping[str, float], tiers: Mapping[str, int]
) -> GoldFigures | None:
    """Keep the figures of this gold; those of an earlier gold's report, None on the first.

    `<prefix>/state/figures.json` holds aggregates of the newest gold that was reported and of the
    one before, so that a report that is made twice is compared with the same figures. A file that
    cannot be read is written again: only this comparison needs it.
    """
    bucket, path = run.settings.lake_bucket, paths_of(run.settings).figures
    built = run.states.read_gold().last_run
    own = GoldFigures(
        built_by=built.run_id if built else run.run_id,
        built_at=(built.finished_at if built else datetime.now(UTC)).isoformat(),
        portfolio=dict(portfolio),
        tiers=dict(tiers),
    )
    before: GoldFigures | None = None
    for _ in range(ATTEMPTS):
        text, generation = run.lake.read_text(bucket, path) or ("", 0)
        before = choose_earlier(text, own.built_by)
        kept = KeptFigures(newest=own, before=before).model_dump_json(indent=2) + "\n"
        if run.lake.write_if_unchanged("report.remember", bucket, path, kept, generation):
            break
    return before


def choose_earlier(text: str, built_by: str) -> GoldFigures | None:
    """Return the figures to compare with, of what the file says: those of a gold of another run."""
    try:
        kept = KeptFigures.model_validate_json(text, extra="ignore")
    except ValidationError:
        return None
    return kept.before if kept.newest.built_by == built_by else kept.newest


def tested_at(before: GoldFigures) -> str:
    """Return when that gold was tested: `2026-03-31 10:05 UTC`."""
    return f"{before.built_at[:16].replace('T', ' ')} UTC"


def compare_figures(now: dict[str, float], before: GoldFigures | None) -> pd.DataFrame:
    """Return the figures of the portfolio, and what has moved since an earlier gold."""
    lines = []
    for name, (title, form) in FIGURES.items():
        line = {"figure": title, "now": form.format(now[name])}
        if before is not None:
            # A figure that the earlier report did not have has not moved.
            known = before.portfolio.get(name)
            line[since(before)] = "" if known is None else signed(now[name] - known, form)
        lines.append(line)
    return pd.DataFrame(lines)


def compare_tiers(now: pd.DataFrame, before: GoldFigures | None) -> pd.DataFrame:
    """Return the tiers, and how many companies each has won or lost since an earlier gold."""
    if before is None:
        return now
    known = [tier for tier in TIERS if tier in now.index or before.tiers.get(tier)]
    compared = now.reindex(known)
    compared["companies"] = compared["companies"].fillna(0)
    earlier = pd.Series(before.tiers, dtype=float).reindex(known, fill_value=0)
    moved = [signed(value, "{:,.0f}") for value in compared["companies"] - earlier]
    compared.insert(1, since(before), moved)
    return compared


def since(before: GoldFigures) -> str:
    """Return the heading of what has moved."""
    return f"since {tested_at(before)}"


def signed(moved: float, form: str) -> str:
    """Return a difference with its sign, as `+50.00`; no difference is `=`."""
    text = form.replace("{:", "{:+").format(moved)
    return text if any(digit in text for digit in "123456789") else "="
