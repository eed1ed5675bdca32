"""The run history as one HTML page that contains its own data: a block of runs for each day.

A block is a script element with gzipped JSON in base64: ten thousand runs are a small file, and a
new run encodes its own day alone.
"""

import binascii
import gzip
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from datetime import date
from html import escape
from pathlib import Path

from pydantic import TypeAdapter

from credix.core.errors import StateError
from credix.pipeline.history.run_line import RunLine

TEMPLATE = Path(__file__).with_name("page.html")
BLOCK = re.compile(r'<script type="application/gzip" data-day="([\d-]{10})">([^<]*)</script>')
# Some twenty thousand runs; the template around them is small.
MOST_BYTES = 1_900_000
Days = dict[str, str]
LINES: TypeAdapter[list[RunLine]] = TypeAdapter(list[RunLine])


def read_days(page: str) -> Days:
    """Return the encoded block of each day on a page, by day."""
    return {day: block for day, block in BLOCK.findall(page) if is_day(day)}


def is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def decode_day(block: str) -> list[RunLine]:
    """Return the lines of a day, newest first; raises StateError when the block is damaged.

    What a line of another release has beyond this one's is left out.
    """
    try:
        text = gzip.decompress(b64decode(block, validate=True))
        return LINES.validate_json(text, extra="ignore")
    except (binascii.Error, EOFError, OSError, ValueError, zlib.error):
        raise StateError("A day of the run history cannot be read.") from None


def encode_day(lines: Iterable[RunLine]) -> str:
    """Return a day's block; the same lines always give the same text."""
    newest_first = sorted(lines, key=lambda line: line.id, reverse=True)
    text = LINES.dump_json(newest_first, exclude_defaults=True, by_alias=True)
    return b64encode(gzip.compress(text, mtime=0)).decode()


def add_lines(days: Days, lines: Iterable[RunLine]) -> Days:
    """Return the days with these runs in them, each run once."""
    changed: dict[str, dict[str, RunLine]] = {}
    for line in lines:
        day = line.started[:10]
        if day not in changed:
            known = decode_day(days[day]) if day in days else []
            changed[day] = {one.id: one for one in known}
        changed[day][line.id] = line
    encoded = {day: encode_day(runs.values()) for day, runs in changed.items()}
    return drop_oldest({**days, **encoded})


def drop_oldest(days: Days) -> Days:
    """Keep as many days, newest first, as fit together into MOST_BYTES; at least one."""
    kept: Days = {}
    size = 0
    for day in sorted(days, reverse=True):
        size += len(days[day])
        if kept and size > MOST_BYTES:
            break
        kept[day] = days[day]
    return kept


def render_page(days: Days, *, prefix: str, env: str, archive: str) -> str:
    """Return the page; `archive` is the relative address of the archive's folder of runs."""
    blocks = "\n".join(
        f'<script type="application/gzip" data-day="{day}">{days[day]}</script>'
        for day in sorted(days, reverse=True)
    )
    texts = {"PREFIX": prefix, "ENVIRONMENT": env, "ARCHIVE": archive}
    page = TEMPLATE.read_text("utf-8")
    for name, text in texts.items():
        page = page.replace(f"%{name}%", escape(text))
    return page.replace("%BLOCKS%", blocks)
