"""The fenced merge of bronze: what a delta may change, and what it may not."""

import re
from typing import Any

import pytest
from google.cloud import bigquery

from tests.dbt.medallion import Medallion
from tests.dbt.rows import company, installment, snapshot, tombstone


def installments(medallion: Medallion) -> dict[str, dict[str, Any]]:
    return {row["asset_id"]: row for row in medallion.rows("bronze", "installments", "asset_id")}


def test_first_run_inserts_by_a_merge_and_never_replaces_a_table(medallion: Medallion) -> None:
    outcome = medallion.merge("installments", installment("a"), installment("b"))

    assert list(installments(medallion)) == ["a", "b"]
    sent = outcome.executed("installments").lower()
    assert "merge into" in sent
    assert not re.search(r"create\s+or\s+replace", sent)


def test_bronze_carries_the_modes_of_the_contract_and_the_technical_columns(
    medallion: Medallion,
) -> None:
    medallion.merge("cnpj_ws", company())

    table = medallion.client.get_table(f"{medallion.prefix}_bronze.cnpj_ws")
    required = {field.name for field in table.schema if field.mode == "REQUIRED"}
    assert required == {
        "cnpj",
        "_seq",
        "_key_hash",
        "_is_deleted",
        "_extracted_at",
        "_source_file",
        "_changed_at",
        "_loaded_at",
        "_source_table",
    }
    row = medallion.row("bronze", "cnpj_ws", "true")
    assert row["_source_table"] == "oltp.business_case_cnpj_ws"
    assert row["_changed_at"] == snapshot(1)


def test_higher_seq_updates_and_lower_or_equal_seq_changes_nothing(medallion: Medallion) -> None:
    medallion.merge("installments", installment("a", seq=5, row_hash=1, invoice_id="five"))

    medallion.merge("installments", installment("a", seq=4, row_hash=2, invoice_id="four"))
    assert installments(medallion)["a"]["invoice_id"] == "five"

    medallion.merge("installments", installment("a", seq=5, row_hash=3, invoice_id="again"))
    assert installments(medallion)["a"]["invoice_id"] == "five"

    medallion.merge("installments", installment("a", seq=6, row_hash=4, invoice_id="six"))
    assert installments(medallion)["a"]["invoice_id"] == "six"
    assert installments(medallion)["a"]["_seq"] == 6


def test_replaying_a_delta_leaves_every_value_as_it_was(medallion: Medallion) -> None:
    table = medallion.stage("installments", installment("a", seq=1), installment("b", seq=1))
    medallion.merge_table("installments", table)
    medallion.merge("installments", installment("b", seq=2, row_hash=2, invoice_id="new"))
    before = installments(medallion)

    medallion.merge_table("installments", table)

    assert installments(medallion) == before


def test_changed_at_moves_only_with_the_row_hash_and_loaded_at_with_every_merge(
    medallion: Medallion,
) -> None:
    medallion.merge("installments", installment("a", seq=1, row_hash=1))
    first = installments(medallion)["a"]

    medallion.merge("installments", installment("a", seq=2, row_hash=1))
    second = installments(medallion)["a"]
    assert second["_seq"] == 2
    assert second["_changed_at"] == first["_changed_at"] == snapshot(1)
    assert second["_loaded_at"] > first["_loaded_at"]

    medallion.merge("installments", installment("a", seq=3, row_hash=9))
    third = installments(medallion)["a"]
    assert third["_changed_at"] == snapshot(3)
    assert third["_loaded_at"] > second["_loaded_at"]


def test_tombstone_keeps_its_first_day_and_a_rebirth_clears_it(medallion: Medallion) -> None:
    medallion.merge("installments", installment("a", seq=1))
    medallion.merge("installments", tombstone("asset_id", "a", seq=2))
    gone = installments(medallion)["a"]
    assert (gone["_is_deleted"], gone["_deleted_at"]) == (True, snapshot(2))
    assert (gone["_changed_at"], gone["due_date"]) == (snapshot(2), None)

    medallion.merge("installments", tombstone("asset_id", "a", seq=3))
    still_gone = installments(medallion)["a"]
    assert (still_gone["_deleted_at"], still_gone["_changed_at"]) == (snapshot(2), snapshot(2))

    medallion.merge("installments", installment("a", seq=4))
    reborn = installments(medallion)["a"]
    assert (reborn["_is_deleted"], reborn["_deleted_at"]) == (False, None)
    assert reborn["_changed_at"] == snapshot(4)


def test_insert_guard_keeps_a_zombie_from_bringing_a_deleted_key_back(medallion: Medallion) -> None:
    zombie = medallion.stage("installments", installment("deleted since", seq=6))
    medallion.merge("installments", installment("a", seq=7), CREDIX_DBT_RECONCILED_SEQ="7")

    medallion.merge_table("installments", zombie)

    assert list(installments(medallion)) == ["a"]


def test_insert_guard_lets_newer_keys_in_and_older_updates_of_known_keys_lose(
    medallion: Medallion,
) -> None:
    medallion.merge("installments", installment("a", seq=7), CREDIX_DBT_RECONCILED_SEQ="7")

    medallion.merge("installments", installment("a", seq=6, row_hash=2), installment("b", seq=8))

    assert {key: row["_seq"] for key, row in installments(medallion).items()} == {"a": 7, "b": 8}


def control_of(medallion: Medallion, source: str = "installments") -> tuple[int, int]:
    """The guard of a source and the newest attempt that claimed it."""
    (row,) = medallion.rows("bronze", f"capture_control_{source}", "source")
    assert row["source"] == source
    return row["reconciled_seq"], row["claimed_seq"]


def test_guard_is_raised_only_on_request_and_never_lowered(medallion: Medallion) -> None:
    medallion.merge("installments", installment("a", seq=3))
    assert control_of(medallion) == (0, 0)
    medallion.merge("installments", installment("b", seq=9), CREDIX_DBT_RECONCILED_SEQ="9")
    assert control_of(medallion) == (9, 0)
    medallion.merge("installments", installment("c", seq=10), CREDIX_DBT_RECONCILED_SEQ="8")
    assert control_of(medallion) == (9, 0)
    medallion.merge("cnpj_ws", company(seq=2), CREDIX_DBT_RECONCILED_SEQ="2")
    assert (control_of(medallion, "cnpj_ws"), control_of(medallion)) == ((2, 0), (9, 0))


def test_guard_is_read_inside_the_merge_and_not_in_its_on_clause(medallion: Medallion) -> None:
    sent = medallion.merge("installments", installment("a")).executed("installments")

    using, _, rest = sent.partition("on bronze.asset_id = delta.asset_id\n")
    assert "`capture_control_installments`" in using
    assert "when not matched and delta._seq > delta._reconciled_seq then insert" in rest
    assert "when matched and delta._seq > bronze._seq and delta._seq > delta._reconciled" in rest


def test_the_claim_the_merge_and_the_guard_are_one_transaction(medallion: Medallion) -> None:
    own = {"CREDIX_DBT_ATTEMPT": "4", "CREDIX_DBT_RECONCILED_SEQ": "4"}
    sent = medallion.merge("installments", installment("a", seq=4), **own).executed("installments")

    statements = [" ".join(part.split()) for part in sent.split(";\n")]
    begins = [statement.split("--")[-1].split("`")[0].split()[-2:] for statement in statements]
    assert "begin transaction" in statements[0]
    assert begins[1][0] == "update"
    assert statements[2].startswith("merge into")
    assert begins[3][0] == "update"
    assert statements[4].strip() == "commit transaction"
    assert control_of(medallion) == (4, 4)


def test_a_superseded_attempt_merges_nothing_and_raises_no_guard(medallion: Medallion) -> None:
    superseded = medallion.stage("installments", installment("deleted since", seq=6))
    medallion.merge("installments", installment("a", seq=7), CREDIX_DBT_ATTEMPT="7")

    own = {"CREDIX_DBT_ATTEMPT": "6", "CREDIX_DBT_RECONCILED_SEQ": "6"}
    medallion.merge_table("installments", superseded, **own)

    assert list(installments(medallion)) == ["a"]
    assert control_of(medallion) == (0, 7)


def test_a_repeated_attempt_claims_its_source_again(medallion: Medallion) -> None:
    table = medallion.stage("installments", installment("a", seq=7))
    for _ in range(2):
        medallion.merge_table("installments", table, CREDIX_DBT_ATTEMPT="7")

    assert installments(medallion)["a"]["_seq"] == 7


def test_a_merge_that_fails_takes_its_claim_back(medallion: Medallion) -> None:
    medallion.merge("installments", installment("a", seq=1), CREDIX_DBT_ATTEMPT="1")
    table = medallion.stage("installments", installment("b", seq=2), installment("b", seq=2))
    own = {"CREDIX_DBT_TEMP_TABLE": table, "CREDIX_DBT_ATTEMPT": "2"}

    assert not medallion.try_build("bronze.installments", **own).success

    assert control_of(medallion) == (0, 1)


def test_the_guard_of_the_shared_control_table_is_taken_over(medallion: Medallion) -> None:
    medallion.merge("installments", installment("a", seq=8))
    medallion.query(f"drop table {medallion.table('bronze', 'capture_control_installments')}")
    shared = medallion.table("bronze", "capture_control")
    medallion.query(
        f"create table {shared} as select 'installments' as source, 7 as reconciled_seq "
        "union all select 'cnpj_ws', 99"
    )

    medallion.merge("installments", installment("b", seq=7), installment("c", seq=9))

    assert list(installments(medallion)) == ["a", "c"]
    assert control_of(medallion) == (7, 8)


def test_a_control_table_without_its_row_is_named(medallion: Medallion) -> None:
    medallion.merge("installments", installment("a"))
    control = medallion.table("bronze", "capture_control_installments")
    medallion.query(f"delete from {control} where true")
    table = medallion.stage("installments", installment("b", seq=2))

    outcome = medallion.try_build("bronze.installments", CREDIX_DBT_TEMP_TABLE=table)

    assert "capture_control_installments must have one row" in outcome.messages["installments"]
    assert list(installments(medallion)) == ["a"]


@pytest.mark.parametrize(
    ("known", "reason"),
    [("a", "must match at most one source row"), ("b", "more than one row for a key")],
    ids=["matched", "not matched"],
)
def test_key_that_occurs_twice_in_a_delta_fails_the_merge(
    medallion: Medallion, known: str, reason: str
) -> None:
    medallion.merge("installments", installment(known, seq=1))
    table = medallion.stage("installments", installment("a", seq=2), installment("a", seq=2))

    outcome = medallion.try_build("bronze.installments", CREDIX_DBT_TEMP_TABLE=table)

    assert outcome.statuses["installments"] == "error"
    assert reason in outcome.messages["installments"]
    assert [row["_seq"] for row in installments(medallion).values()] == [1]


@pytest.mark.parametrize("table", ["installments_dbt", "installments_schema", "x; drop table y"])
def test_bronze_refuses_any_table_but_the_hashed_one(medallion: Medallion, table: str) -> None:
    outcome = medallion.try_build("bronze.installments", CREDIX_DBT_TEMP_TABLE=table)

    assert not outcome.success
    told = outcome.message + "".join(outcome.messages.values())
    assert "<source>_<12 hex digits>" in told


def test_run_without_a_table_of_the_source_merges_nothing(medallion: Medallion) -> None:
    medallion.merge("installments", installment("a"))
    before = installments(medallion)
    companies = medallion.stage("cnpj_ws", company())

    medallion.build("bronze", CREDIX_DBT_TEMP_TABLE=companies)

    assert installments(medallion) == before
    assert len(medallion.rows("bronze", "cnpj_ws", "cnpj")) == 1


def test_full_refresh_does_not_rebuild_bronze(medallion: Medallion) -> None:
    medallion.merge("installments", installment("a"))
    table = medallion.stage("installments", installment("b", seq=2))

    outcome = medallion.dbt(
        "build", "--full-refresh", "--select", "bronze.installments", CREDIX_DBT_TEMP_TABLE=table
    )

    assert outcome.success
    assert list(installments(medallion)) == ["a", "b"]


def test_column_that_the_contract_gained_is_added_to_bronze(medallion: Medallion) -> None:
    medallion.merge("installments", installment("a"))
    table = medallion.stage("installments", installment("a", seq=2, row_hash=2))
    for name in (table, "installments_schema"):
        medallion.query(f"alter table {medallion.table('temp', name)} add column note string")
    medallion.query(f"update {medallion.table('temp', table)} set note = 'new' where true")

    medallion.merge_table("installments", table)

    assert installments(medallion)["a"]["note"] == "new"


def test_missing_reference_table_is_named_with_the_way_out(medallion: Medallion) -> None:
    medallion.client.delete_table(f"{medallion.prefix}_temp.installments_schema")

    outcome = medallion.try_build("bronze.installments")

    assert not outcome.success
    told = outcome.message + "".join(outcome.messages.values())
    assert "create it from the contract installments.json" in told


def test_tables_are_created_once_and_then_left_alone(medallion: Medallion) -> None:
    medallion.merge("installments", installment("a"))
    address = f"{medallion.prefix}_bronze.installments"
    before: bigquery.Table = medallion.client.get_table(address)

    medallion.merge("installments", installment("b", seq=2))

    assert medallion.client.get_table(address).created == before.created


def test_bronze_is_asked_for_with_partitions_of_seq_and_clusters_of_the_key(
    medallion: Medallion,
) -> None:
    """The local BigQuery takes the partitions and forgets them, so the request is looked at."""
    medallion.merge("installments", installment("a"))

    jobs = medallion.client.list_jobs(max_results=1000)
    queries = [" ".join(job.query.split()) for job in jobs if job.job_type == "query"]
    made = f"{medallion.prefix}_bronze`.`installments` ("
    created = next(sql for sql in queries if "create table if not exists" in sql and made in sql)
    assert "partition by range_bucket(_seq, generate_array(0, 9000000, 1000))" in created
    assert "cluster by asset_id" in created
