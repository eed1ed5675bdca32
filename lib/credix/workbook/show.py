"""Show runs, step results, tables and plots in a notebook.

What only shows fails no run: within `optional`, a note takes the place of what could not be shown.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ContextDecorator
from dataclasses import dataclass
from html import escape
from types import TracebackType
from typing import Any

import pandas as pd
import pyarrow as pa
from IPython.display import HTML
from pandas.io.formats.style import Styler
from pandas.io.formats.style_render import CSSDict

from credix.core.freshness import bounds_in_words
from credix.core.redaction import without_values
from credix.core.results import StepResult, TransformResult
from credix.core.watermarks import Watermark
from credix.state.run import Run

HIDDEN = {"version", "effects", "monitoring", "nodes", "progress", "parts", "files", "jobs"}
# What every step has comes last but for the run itself.
LAST = ("bytes_processed", "jobs_without_bytes", "seconds")
COUNTED = ("parts", "files", "jobs")
NOT_SHOWN = "could not be shown"
MOST_LINES = 1_000
HEADER = "position: sticky; top: 0; background: #f5f5f5; color: #111; text-align: left"
WINDOW = "max-height: {height}em; max-width: 100%; overflow: auto; border: 1px solid #ddd"


@dataclass(frozen=True)
class Optional(ContextDecorator):
    """Prints a note, without values, where the block or function that shows `what` fails."""

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
    """Keep a failure of what only shows from failing the run.

    Use it as a block, `with show.optional("The profile"):`, or as a decorator; a function that
    fails returns None. An interruption ends the run as everywhere.

    Args:
        what: What is shown, as the note names it: "The profile could not be shown: ...".
    """
    return Optional(what)


def describe_run(run: Run) -> Styler:
    """Return a table that says which run this notebook works in, and from which watermark."""
    facts = {
        "run": run.run_id,
        "kind": "sandbox, no real watermark moves" if run.is_sandbox else "real",
    }
    if run.source_name:
        facts |= {
            "source": run.source_name,
            "attempt (_seq)": str(run.attempt or "none"),
            "watermark": describe_watermark(run.watermark),
        }
    return as_table(
        {
            **facts,
            "business day": run.business_date,
            "datasets": f"{run.settings.gcp_project}.{run.settings.prefix}_…",
        }
    )


def describe_result(result: StepResult) -> Styler:
    """Return the step result as a table, without what only the next step needs."""
    found = result.model_dump(mode="json", include=result.model_fields_set | {"step"})
    shown = {key: value for key, value in found.items() if key not in {*HIDDEN, *LAST}}
    for key in ("watermark_from", "watermark_to"):
        if key in shown:
            shown[key] = describe_watermark(getattr(result, key))
    if isinstance(result, TransformResult) and result.lags:
        shown["lags"] = ", ".join(
            f"{name}: {bounds_in_words(lag)}" for name, lag in result.lags.items()
        )
    counts = {key: len(found[key]) for key in COUNTED if key in found}
    return as_table({**shown, **{key: found[key] for key in LAST if key in found}, **counts})


def describe_watermark(watermark: Watermark | None) -> str:
    if watermark is None:
        return "none yet"
    return ", ".join(f"{key} {value}" for key, value in watermark if value is not None)


def as_table(facts: Mapping[str, object]) -> Styler:
    values = [str(value) for value in facts.values()]
    return table(pd.DataFrame({"": list(facts), "value": values}))


def table(frame: pd.DataFrame, right: Iterable[str] = (), links: Iterable[str] = ()) -> Styler:
    """Return the frame as people read it: thousands separated, two decimals, text to the left.

    Args:
        frame: What to show; a named index becomes the first column.
        right: Columns of texts that are figures and are aligned to the right.
        links: Columns of texts of which some are addresses and become links.
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


def window(data: pd.DataFrame | pa.Table, title: str = "", height: int = 24) -> HTML:
    """Return a table in a window that scrolls; the header stays in sight.

    Args:
        data: What to show; of more than 1,000 lines the first ones.
        title: The caption, which the number of rows follows.
        height: The window's height in lines, or so.
    """
    frame = data.slice(0, MOST_LINES).to_pandas() if isinstance(data, pa.Table) else data
    rows = len(data)
    styled = table(frame.head(MOST_LINES)).set_table_styles(
        [
            {"selector": "th", "props": HEADER},
            {"selector": "td", "props": "white-space: nowrap"},
        ],
        overwrite=False,
    )
    count = f"{rows:,} row{'s' * (rows != 1)}"
    if rows > MOST_LINES:
        count = f"the first {MOST_LINES:,} of {count}"
    caption = escape(f"{title}: {count}" if title else count)
    return HTML(
        f'<div style="margin: 0.3em 0">{caption}</div>'
        f'<div style="{WINDOW.format(height=height)}">{styled.to_html()}</div>'
    )


def bars(values: pd.Series, title: str, unit: str) -> None:
    """Plot one bar per entry of the series, its value above it.

    Args:
        values: Numbers; the index names the bars, the index's name the axis.
        title: The heading of the plot.
        unit: What the numbers count.
    """
    # matplotlib takes most of a second, and most steps draw nothing.
    from credix.report import charts

    charts.bars(values, title, unit)


def as_link(escaped: object) -> str:
    """Return an address as a link; the table has escaped it before."""
    text = str(escaped)
    return f'<a href="{text}">{text}</a>' if text.startswith(("http://", "https://")) else text


def is_whole(numbers: pd.Series) -> bool:
    return bool((numbers.dropna() % 1 == 0).all())
