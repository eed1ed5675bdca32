"""Runs and step results as small tables, for the first and the last cell of a notebook.

What only shows fails no run: a note takes the place of what could not be shown.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler
from pandas.io.formats.style_render import CSSDict

from credix.core.freshness import bounds_in_words
from credix.core.redaction import without_values
from credix.state.run import Run

HIDDEN = {"effects", "monitoring", "nodes", "progress", "parts", "files", "jobs"}
COUNTED = ("parts", "files", "jobs")
NOT_SHOWN = "could not be shown"


@dataclass(frozen=True)
class Optional:
    """Prints a note, without values, where the block that shows `what` fails."""

    what: str

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _: TracebackType | None,
    ) -> bool:
        if kind is None or not isinstance(error, Exception):
            return False
        line = (str(error).strip().splitlines() or [""])[0]
        print(f"{self.what} {NOT_SHOWN}: {kind.__name__}: {without_values(line)}")
        return True


def optional(what: str) -> Optional:
    """Return a block in which nothing but an interruption ends the run: it only shows `what`."""
    return Optional(what)


def describe_run(run: Run) -> Styler:
    """Which run this notebook works in."""
    facts = {
        "run": run.run_id,
        "kind": "sandbox, no real watermark moves" if run.is_sandbox else "real",
    }
    if run.source_name:
        watermark = run.watermark.model_dump() if run.watermark else None
        facts |= {
            "source": run.source_name,
            "attempt (_seq)": str(run.attempt or "none"),
            "watermark": describe_watermark(watermark),
        }
    return as_table(
        {
            **facts,
            "business day": run.business_date,
            "datasets": f"{run.settings.gcp_project}.{run.settings.prefix}_…",
        }
    )


def describe_result(result: dict[str, Any]) -> Styler:
    """The step result, without what is only for the next step."""
    shown = {key: value for key, value in result.items() if key not in HIDDEN}
    for key in ("watermark_from", "watermark_to"):
        if key in shown:
            shown[key] = describe_watermark(shown[key])
    for key in COUNTED:
        if key in result:
            shown[key] = len(result[key])
    if "lags" in result:
        shown["lags"] = ", ".join(
            f"{name}: {bounds_in_words(lag)}" for name, lag in result["lags"].items()
        )
    return as_table(shown)


def describe_watermark(watermark: dict[str, Any] | None) -> str:
    if not watermark:
        return "none yet"
    return ", ".join(f"{key} {value}" for key, value in watermark.items() if value is not None)


def as_table(facts: dict[str, Any]) -> Styler:
    values = [str(value) for value in facts.values()]
    return table(pd.DataFrame({"": list(facts), "value": values}))


def table(frame: pd.DataFrame, right: Iterable[str] = (), links: Iterable[str] = ()) -> Styler:
    """The frame as people read it: thousands separated, two decimals, text to the left.

    Texts in the columns `right` are figures that are written out already, those in the columns
    `links` may be addresses.
    """
    named = frame if frame.index.name is None else frame.reset_index()
    numbers = named.select_dtypes("number").columns
    formats: dict[Any, str | Callable[[object], str] | None] = {
        column: "{:,.0f}" if is_whole(named[column]) else "{:,.2f}" for column in numbers
    }
    formats |= dict.fromkeys(links, as_link)
    sides = ["right" if name in numbers or name in right else "left" for name in named.columns]
    styles: list[CSSDict] = [
        {"selector": f".col{place}", "props": f"text-align: {side}; vertical-align: top"}
        for place, side in enumerate(sides)
    ]
    return (
        named.style.hide(axis="index")
        .format(formats, na_rep="", escape="html")
        .set_table_styles(styles)
    )


def as_link(escaped: object) -> str:
    """An address as a link; the table has escaped it before."""
    text = str(escaped)
    return f'<a href="{text}">{text}</a>' if text.startswith(("http://", "https://")) else text


def is_whole(numbers: pd.Series) -> bool:
    return bool((numbers.dropna() % 1 == 0).all())
