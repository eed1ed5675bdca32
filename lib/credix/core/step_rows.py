"""The rows of one attempt at a source, step by step: equal where nothing was lost on the way."""

from collections.abc import Mapping

STEPS = {
    "01_extract": "extracted",
    "02_land": "landed",
    "03_load": "loaded",
    "04_transform": "merged",
}


def describe_difference(rows: Mapping[str, int]) -> str:
    """Name the rows of each step that has ended, where they differ; "" where they are equal."""
    counted = {word: rows[step] for step, word in STEPS.items() if step in rows}
    if len(set(counted.values())) < 2:
        return ""
    return ", ".join(f"{word} {count:,}" for word, count in counted.items())
