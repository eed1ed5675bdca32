"""BigQuery's rules for statements at the same time, as values."""

import pytest

from credix_local.bigquery.concurrency import QUEUED_AT_MOST, ConcurrencyError, Ledger, Work


def begun(ledger: Ledger, *, is_transaction: bool = False, target: str = "") -> Work:
    work = Work(is_transaction, target)
    ledger.begin(work)
    return work


def test_a_transaction_is_cancelled_by_one_that_has_the_table_and_one_that_had_it() -> None:
    ledger = Ledger()
    first, second = (begun(ledger, is_transaction=True) for _ in range(2))
    ledger.change(first, "t")
    with pytest.raises(ConcurrencyError, match="aborted due to concurrent update against table t"):
        ledger.change(second, "t")

    ledger.end(first, is_committed=True)
    with pytest.raises(ConcurrencyError):
        ledger.change(second, "t")
    ledger.change(second, "u")


def test_what_was_rolled_back_or_committed_before_the_snapshot_is_no_conflict() -> None:
    ledger = Ledger()
    for is_committed in (False, True):
        work = begun(ledger, is_transaction=True)
        ledger.change(work, "t")
        ledger.end(work, is_committed=is_committed)
    ledger.change(begun(ledger, is_transaction=True), "t")


def test_a_statement_waits_for_a_transaction_and_for_the_second_of_two_others() -> None:
    ledger = Ledger()
    statement = begun(ledger, target="t")
    assert not ledger.must_wait("t")
    begun(ledger, target="t")
    assert ledger.must_wait("t")
    ledger.end(statement, is_committed=True)
    assert not ledger.must_wait("t")
    ledger.change(begun(ledger, is_transaction=True), "t")
    assert ledger.must_wait("t")
    assert not ledger.must_wait("u")


def test_a_statement_sees_what_was_changed_since_its_snapshot_until_it_is_run_again() -> None:
    ledger = Ledger()
    statement, other = begun(ledger, target="t"), begun(ledger, target="t")
    ledger.change(other, "t")
    ledger.end(other, is_committed=True)
    assert ledger.is_changed(statement, "t")
    ledger.begin(statement)
    assert not ledger.is_changed(statement, "t")


def test_twenty_statements_wait_for_a_table_and_no_more() -> None:
    ledger = Ledger()
    for _ in range(QUEUED_AT_MOST):
        ledger.queue("t")
    with pytest.raises(ConcurrencyError, match="Too many DML statements outstanding"):
        ledger.queue("t")
    ledger.queue("u")
