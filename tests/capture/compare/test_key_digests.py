"""Digests of key sets, against plain Python sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credix.capture.compare.key_digests import (
    Buckets,
    choose_number,
    is_explained,
    unexplained_buckets,
)
from credix.core.watermarks import Digest

INT64 = st.integers(-(2**63), 2**63 - 1)


def buckets_of(hashes: set[int], number: int = 256) -> Buckets:
    buckets = Buckets.empty(number)
    buckets.add(np.array(sorted(hashes), np.int64))
    return buckets


@given(bronze=st.sets(INT64), gone=st.sets(INT64), inserted=st.sets(INT64), updated=st.sets(INT64))
def test_a_bucket_in_which_a_key_is_gone_is_never_called_explained(
    bronze: set[int], gone: set[int], inserted: set[int], updated: set[int]
) -> None:
    bronze = bronze | gone | updated
    inserted, gone = inserted - bronze, gone - updated
    source = (bronze - gone) | inserted
    found = unexplained_buckets(
        buckets_of(source), buckets_of(bronze), buckets_of(inserted | updated)
    )
    assert {key % 256 for key in gone} <= set(found.tolist())


@given(bronze=st.sets(INT64), inserted=st.sets(INT64))
def test_inserts_alone_make_no_bucket_differ(bronze: set[int], inserted: set[int]) -> None:
    new = inserted - bronze
    found = unexplained_buckets(buckets_of(bronze | new), buckets_of(bronze), buckets_of(new))
    assert found.tolist() == []


@given(bronze=st.sets(INT64, min_size=1), data=st.data())
def test_updates_alone_make_no_bucket_differ(bronze: set[int], data: st.DataObject) -> None:
    updated = data.draw(st.sets(st.sampled_from(sorted(bronze))))
    found = unexplained_buckets(buckets_of(bronze), buckets_of(bronze), buckets_of(updated))
    assert found.tolist() == []


def test_keys_added_in_batches_make_the_same_digest() -> None:
    whole, batches = buckets_of({1, -7, 300, 2**62}), Buckets.empty(256)
    for key in (2**62, 1, 300, -7):
        batches.add(np.array([key], np.int64))
    assert batches.total == whole.total == Digest(rows=4, key_xor=1 ^ -7 ^ 300 ^ 2**62)
    assert (batches.key_xor == whole.key_xor).all()


def test_the_total_is_explained_by_nothing_updates_or_inserts_only() -> None:
    bronze, delta = Digest(rows=3, key_xor=5), Digest(rows=1, key_xor=8)
    assert is_explained(bronze, bronze, delta)
    assert is_explained(Digest(rows=4, key_xor=5 ^ 8), bronze, delta)
    assert not is_explained(Digest(rows=3, key_xor=5 ^ 8), bronze, delta)
    assert not is_explained(Digest(rows=4, key_xor=5), bronze, delta)


@pytest.mark.parametrize(
    ("rows", "number"),
    [(0, 256), (16_384, 256), (16_385, 512), (3_000_000, 65_536), (10**9, 2**20)],
)
def test_the_number_of_buckets_is_a_power_of_two_that_grows_with_the_table(
    rows: int, number: int
) -> None:
    assert choose_number(rows) == number
