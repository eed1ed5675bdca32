"""Which keys two sides hold, as digests: a count and the XOR of their key hashes, also by bucket.

Two sets of keys with the same digest are the same set, but for a chance of 2^-64. Sums would leave
INT64; XOR does not, and what is inserted can be taken out again.
"""

from dataclasses import dataclass

import numpy as np

from credix.core.watermarks import Digest

# Keys in a bucket: few, since all of them travel when one is gone; not too few, or digests abound.
KEYS_PER_BUCKET = 64
FEWEST_BUCKETS, MOST_BUCKETS = 1 << 8, 1 << 20


@dataclass(frozen=True)
class Buckets:
    """The digest of each bucket; a key is in the bucket of its hash's lowest bits."""

    rows: np.ndarray
    key_xor: np.ndarray

    @classmethod
    def empty(cls, number: int) -> "Buckets":
        return cls(np.zeros(number, np.int64), np.zeros(number, np.int64))

    @property
    def number(self) -> int:
        return len(self.rows)

    @property
    def total(self) -> Digest:
        return Digest(rows=int(self.rows.sum()), key_xor=int(np.bitwise_xor.reduce(self.key_xor)))

    def add(self, key_hashes: np.ndarray) -> None:
        """Take more keys in; in place, the arrays are as large as they will ever be."""
        buckets = key_hashes & (self.number - 1)
        np.add.at(self.rows, buckets, 1)
        np.bitwise_xor.at(self.key_xor, buckets, key_hashes)


def choose_number(rows: int) -> int:
    """Return how many buckets for so many rows: a power of two."""
    number = FEWEST_BUCKETS
    while number < MOST_BUCKETS and number * KEYS_PER_BUCKET < rows:
        number *= 2
    return number


def is_explained(source: Digest, bronze: Digest, delta: Digest) -> bool:
    """Return True when bronze will hold the source's keys once it has the delta.

    That is certain when the delta only updates keys of bronze, and when it only inserts keys.
    """
    return source in (bronze, combine(bronze, delta))


def unexplained_buckets(source: Buckets, bronze: Buckets, delta: Buckets) -> np.ndarray:
    """Return the numbers of the buckets for which `is_explained` does not hold."""
    updated = (source.rows == bronze.rows) & (source.key_xor == bronze.key_xor)
    inserted = (source.rows == bronze.rows + delta.rows) & (
        source.key_xor == bronze.key_xor ^ delta.key_xor
    )
    return np.flatnonzero(~(updated | inserted))


def combine(one: Digest, other: Digest) -> Digest:
    """Return the digest of two sets that share no key."""
    return Digest(rows=one.rows + other.rows, key_xor=one.key_xor ^ other.key_xor)


def digest_sql(hash_sql: str, relation: str, condition: str = "TRUE") -> str:
    """Return a SELECT of one row (rows, key_xor); the same in PostgreSQL and BigQuery."""
    return (
        f"SELECT count(*) AS n_rows, coalesce(bit_xor({hash_sql}), 0) AS key_xor "
        f"FROM {relation} WHERE {condition}"
    )


def bucket_digest_sql(hash_sql: str, relation: str, number: int, condition: str = "TRUE") -> str:
    """Return a SELECT of one row (bucket, rows, key_xor) for each bucket that has keys."""
    return (
        f"SELECT {hash_sql} & {number - 1} AS bucket, count(*) AS n_rows, "
        f"bit_xor({hash_sql}) AS key_xor FROM {relation} WHERE {condition} GROUP BY 1"
    )


def in_buckets_sql(hash_sql: str, number: int, buckets: np.ndarray) -> str:
    """Return a condition that is true for keys of these buckets.

    An IN list, which both servers look up in a hash table.
    """
    return f"{hash_sql} & {number - 1} IN ({', '.join(str(bucket) for bucket in buckets)})"
