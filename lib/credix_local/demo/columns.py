"""Arrow columns of text, made a whole chunk at a time."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def pick(
    names: list[str] | tuple[str, ...], index: np.ndarray, is_missing: np.ndarray | None = None
) -> pa.StringArray:
    """Return the name at each index; null where it is missing."""
    return pa.array(names, pa.string()).take(positions(index, is_missing))


def positions(index: np.ndarray, is_missing: np.ndarray | None = None) -> pa.Int64Array:
    """Return indices for `take`, which gives null where they are missing."""
    return pa.array(index, pa.int64(), mask=is_missing)


def join(*parts: "pa.Array[Any] | str") -> pa.StringArray:
    """Return columns and constants, one after the other."""
    columns = [pa.scalar(part) if isinstance(part, str) else part for part in (*parts, "")]
    found: pa.StringArray = pc.call_function("binary_join_element_wise", columns)
    return found


def digit_strings(numbers: np.ndarray, width: int) -> pa.StringArray:
    """Return numbers as strings of `width` digits with leading zeros."""
    return fixed_width_strings(split_digits(numbers, width).astype(np.uint8) + np.uint8(ord("0")))


def split_digits(numbers: np.ndarray, width: int) -> np.ndarray:
    """Return decimal digits, one column per place, the highest first.

    Shape (len(numbers), width).
    """
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return numbers[:, None] // powers % 10


def fixed_width_strings(text: np.ndarray) -> pa.StringArray:
    """One string per row of an (n, width) matrix of ASCII codes, without a loop in Python."""
    count, width = text.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(
        count, pa.py_buffer(offsets.tobytes()), pa.py_buffer(text.tobytes())
    )
