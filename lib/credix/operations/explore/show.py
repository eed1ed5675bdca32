"""Tables for a notebook: as wide and as long as they are, in a window that scrolls."""

from html import escape

import pandas as pd
import pyarrow as pa
from IPython.display import HTML

from credix.report.tables import table

MOST_LINES = 1_000
HEADER = "position: sticky; top: 0; background: #f5f5f5; color: #111; text-align: left"
WINDOW = "max-height: {height}em; max-width: 100%; overflow: auto; border: 1px solid #ddd"


def show(data: pd.DataFrame | pa.Table, title: str = "", height: int = 24) -> HTML:
    """The first thousand lines in a window of `height` lines or so; the header stays in sight."""
    frame = data.slice(0, MOST_LINES).to_pandas() if isinstance(data, pa.Table) else data
    rows = len(data)
    styled = table(frame.head(MOST_LINES)).set_table_styles(
        [
            {"selector": "th", "props": HEADER},
            {"selector": "td", "props": "white-space: nowrap"},
        ],
        overwrite=False,
    )
    told = f"{rows:,} row{'s' * (rows != 1)}"
    if rows > MOST_LINES:
        told = f"the first {MOST_LINES:,} of {told}"
    caption = escape(f"{title}: {told}" if title else told)
    return HTML(
        f'<div style="margin: 0.3em 0">{caption}</div>'
        f'<div style="{WINDOW.format(height=height)}">{styled.to_html()}</div>'
    )
