"""Keys of demo rows as pure functions of a seed and a row's index, made a whole chunk at a time."""

import numpy as np
import pyarrow as pa

from credix.core.errors import SettingsError
from credix_local.demo.columns import fixed_width_strings, split_digits

# The federal register has not given out roots this high: no demo company has a real one's number.
FIRST_ROOT, ROOTS = 70_000_000, 30_000_000
# Without a common factor with ROOTS, so that multiplying by it only changes the order.
ROOT_STEP = 17_320_507
# Weights of the two check digits (Receita Federal, module 11): the first looks at 12 digits.
CHECK_WEIGHTS = np.array([6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], dtype=np.int64)
# New numbers may have letters (IN RFB 2.229/2024). Roots that end so have some, at these places, in
# the place of a digit each: the root can be read from the text.
LETTERS = "ABCDEFGHIJ"
LAST_DIGIT_OF_LETTERED, LETTERED_PLACES = 3, [0, 3, 6]
# Every first company of a root is its head office.
HEAD_OFFICE = (0, 0, 0, 1)

HEX_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
# Where the 32 digits of a UUID stand between its dashes.
UUID_POSITIONS = np.array([i for i in range(36) if i not in (8, 13, 18, 23)])
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def company_roots(seed: int, indices: np.ndarray) -> np.ndarray:
    """Return the eight-digit root of each company.

    Unique for indices below ROOTS, in mixed order.
    """
    if len(indices) and indices.max() >= ROOTS:
        raise SettingsError(f"There are tax numbers for {ROOTS:,} companies only; ask for fewer.")
    start = int(mix(np.array([seed], dtype=np.uint64))[0] % np.uint64(ROOTS))
    return FIRST_ROOT + (indices * ROOT_STEP + start) % ROOTS


def tax_numbers(roots: np.ndarray) -> pa.StringArray:
    """Return the CNPJ of each root's head office.

    14 characters of which the last two check the others.
    """
    # A character counts as its code minus 48: a digit as itself.
    values = np.empty((len(roots), 14), dtype=np.int64)
    values[:, :8] = split_digits(roots, 8)
    has_letters = roots % 10 == LAST_DIGIT_OF_LETTERED
    values[np.ix_(has_letters, LETTERED_PLACES)] += ord(LETTERS[0]) - ord("0")
    values[:, 8:12] = HEAD_OFFICE
    values[:, 12] = check_digit(values[:, :12])
    values[:, 13] = check_digit(values[:, :13])
    return fixed_width_strings(values.astype(np.uint8) + np.uint8(ord("0")))


def root_sql(tax_number: str) -> str:
    """Return the root of a demo company's tax number, in PostgreSQL."""
    return f"translate(substr({tax_number}, 1, 8), '{LETTERS}', '0123456789')::bigint"


def check_digit(values: np.ndarray) -> np.ndarray:
    """Eleven minus the weighted sum modulo 11, where ten and eleven count as zero."""
    rest = values @ CHECK_WEIGHTS[-values.shape[1] :] % 11
    return np.where(rest < 2, 0, 11 - rest)


def uuids(seed: int, first: int, count: int) -> pa.StringArray:
    """UUID-shaped keys of the rows `first` to `first + count`; unique within a seed."""
    base = mix(np.array([seed & 0xFFFFFFFFFFFFFFFF], dtype=np.uint64))
    index = np.arange(first, first + count, dtype=np.uint64)
    # mix() is a bijection, so the first half alone distinguishes all rows of a seed.
    halves = np.stack([mix(base + index), mix(mix(base) ^ index)], axis=1)
    octets = halves.astype(">u8").view(np.uint8).reshape(count, 16)
    text = np.full((count, 36), ord("-"), dtype=np.uint8)
    text[:, UUID_POSITIONS[0::2]] = HEX_DIGITS[octets >> 4]
    text[:, UUID_POSITIONS[1::2]] = HEX_DIGITS[octets & 15]
    return fixed_width_strings(text)


def mix(values: np.ndarray) -> np.ndarray:
    """Scramble 64-bit numbers one to one (the finalizer of Steele et al.'s SplitMix64)."""
    mixed = values + GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
