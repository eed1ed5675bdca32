"""Which rows a run reads: the decision and the SQL, without a server."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from credix.capture.predicates import (
    XID_HORIZON,
    Snapshot,
    choose_predicate,
    cursor_type,
    missed_histories,
    next_watermark,
    require_caught_up,
    since_cursor,
    since_row_version,
)
from credix.core.column_types import Column
from credix.core.contracts import Source, load_source
from credix.core.errors import SettingsError, TransientError
from credix.core.source_sql import key_hash_sql, quote, quote_literal
from credix.core.watermarks import Server, Watermark
from credix.state.states import SourceState

TAKEN_AT = datetime(2026, 3, 31, 12, tzinfo=UTC)
SERVER = Server(system_identifier="7", timeline=1, major_version=18)
SNAPSHOT = Snapshot(
    taken_at=TAKEN_AT,
    row_version=1_000,
    next_row_version=1_005,
    server=SERVER,
    relation_oids=(10, 20),
    column_numbers=(1, 2, 3),
    oldest_open_at=TAKEN_AT - timedelta(minutes=10),
    is_standby=False,
    has_prepared_transactions=False,
    log_position="0/2000",
)
SOURCE = load_source("installments")
BY_CURSOR = replace(SOURCE, capture="cursor")
COMPANIES_BY_CURSOR = replace(load_source("cnpj_ws"), capture="cursor")
STATE = SourceState(
    source="installments",
    attempt=3,
    committed_seq=2,
    watermark=Watermark(row_version=900),
    capture="row_version",
    server=SERVER,
    log_position="0/1FFF",
    relation_oids=(10, 20),
    fingerprint=SOURCE.fingerprint,
)
CURSOR_STATE = STATE.model_copy(
    update={"capture": "cursor", "watermark": Watermark(cursor="2026-03-30")}
)


def chosen(state: SourceState, snapshot: Snapshot = SNAPSHOT, source: Source = SOURCE) -> Any:
    return choose_predicate(source, state, snapshot, Watermark(row_version=1_000, cursor="x"))


class TestRereads:
    """Rows of this snapshot that the next run meets again."""

    def test_are_those_of_transactions_that_were_open(self) -> None:
        assert "1000" in chosen(STATE).rereads_sql

    def test_are_none_where_no_transaction_was_open(self) -> None:
        quiet = replace(SNAPSHOT, next_row_version=SNAPSHOT.row_version)
        assert chosen(STATE, quiet).rereads_sql == "FALSE"


def reached(
    source: Source,
    greatest: date | datetime | None,
    previous: Watermark | None = None,
    **snapshot: Any,
) -> str | None:
    """The cursor of the next watermark."""
    return next_watermark(
        source,
        previous,
        replace(SNAPSHOT, **snapshot),
        greatest,
        "America/Sao_Paulo",
        timedelta(hours=1),
    ).cursor


class TestPredicate:
    def test_a_good_watermark_bounds_the_read(self) -> None:
        predicate = chosen(STATE)
        assert not predicate.is_full
        assert "age('900'::xid)" in predicate.sql
        assert predicate.reason == "rows written since the last snapshot"

    @pytest.mark.parametrize(
        ("state", "snapshot", "reason"),
        [
            ({"watermark": None}, {}, "there is no watermark yet"),
            ({"watermark": Watermark(cursor="2026-01-01")}, {}, "no row version"),
            ({"capture": "cursor"}, {}, "capture is now row_version, it was cursor"),
            ({"fingerprint": "0" * 16}, {}, "the contract has changed"),
            ({"server": None}, {}, "major version"),
            ({}, {"server": SERVER.model_copy(update={"major_version": 19})}, "major version"),
            ({}, {"server": SERVER.model_copy(update={"timeline": 2})}, "timeline"),
            ({}, {"server": SERVER.model_copy(update={"system_identifier": "8"})}, "another one"),
            ({}, {"row_version": 899}, "transaction counter went back"),
            ({}, {"log_position": "0/1FFE"}, "the server's log went back"),
            ({}, {"next_row_version": 900 + XID_HORIZON}, "half of all transaction ids"),
        ],
    )
    def test_a_worthless_watermark_means_everything(
        self, state: dict[str, Any], snapshot: dict[str, Any], reason: str
    ) -> None:
        predicate = chosen(STATE.model_copy(update=state), replace(SNAPSHOT, **snapshot))
        assert (predicate.sql, predicate.is_full) == ("TRUE", True)
        assert reason in predicate.reason

    def test_the_last_transaction_id_within_the_horizon_is_still_good(self) -> None:
        snapshot = replace(SNAPSHOT, next_row_version=900 + XID_HORIZON - 1)
        assert not chosen(STATE, snapshot).is_full

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"server": SERVER.model_copy(update={"timeline": 2})}, "timeline"),
            ({"server": SERVER.model_copy(update={"major_version": 19})}, "major version"),
            ({"log_position": "0/1FFE"}, "the server's log went back"),
            ({"taken_at": TAKEN_AT - timedelta(seconds=1)}, "the server's clock went back"),
        ],
    )
    def test_a_cursor_is_worthless_where_the_server_may_have_lost_rows_that_were_read(
        self, change: dict[str, Any], reason: str
    ) -> None:
        reached_at = Watermark(cursor="2026-03-30", snapshot_at=TAKEN_AT.isoformat())
        state = CURSOR_STATE.model_copy(update={"watermark": reached_at})
        assert not chosen(state, SNAPSHOT, BY_CURSOR).is_full
        predicate = chosen(state, replace(SNAPSHOT, **change), BY_CURSOR)
        assert predicate.is_full
        assert reason in predicate.reason

    def test_a_cursor_from_the_future_is_worth_nothing(self) -> None:
        state = CURSOR_STATE.model_copy(update={"watermark": Watermark(cursor="2026-04-02")})
        predicate = chosen(state, SNAPSHOT, BY_CURSOR)
        assert predicate.is_full
        assert "is in the future" in predicate.reason

    def test_a_cursor_of_tomorrow_may_come_from_another_time_zone(self) -> None:
        state = CURSOR_STATE.model_copy(update={"watermark": Watermark(cursor="2026-04-01")})
        assert not chosen(state, SNAPSHOT, BY_CURSOR).is_full

    def test_new_relations_are_read_in_full(self) -> None:
        predicate = chosen(STATE, replace(SNAPSHOT, relation_oids=(10, 20, 30, 40)))
        assert predicate.sql.startswith("(tableoid IN (30, 40) OR ")
        assert not predicate.is_full

    def test_a_relation_that_is_gone_changes_nothing(self) -> None:
        assert "tableoid" not in chosen(STATE, replace(SNAPSHOT, relation_oids=(10,))).sql

    def test_a_row_version_beyond_32_bits_is_compared_within_its_circle(self) -> None:
        assert since_row_version((3 << 32) + 77) == since_row_version(77)

    def test_a_cursor_is_inclusive_and_takes_rows_without_one(self) -> None:
        sql = since_cursor(BY_CURSOR, "2026-03-30")
        greatest = 'GREATEST("invoice_issue_date", "paid_date")'
        assert sql == f"({greatest} >= '2026-03-30'::date OR {greatest} IS NULL)"


class TestNextWatermark:
    def test_row_versions_begin_where_the_oldest_open_transaction_stood(self) -> None:
        watermark = next_watermark(SOURCE, None, SNAPSHOT, None, "UTC", timedelta(0))
        assert watermark == Watermark(row_version=1_000, snapshot_at="2026-03-31T12:00:00+00:00")

    def test_a_cursor_follows_the_greatest_value(self) -> None:
        assert reached(BY_CURSOR, date(2026, 3, 15)) == "2026-03-15"

    @pytest.mark.parametrize("greatest", [date(2026, 4, 1), date(9999, 12, 31)])
    def test_a_cursor_never_moves_into_the_future(self, greatest: date) -> None:
        assert reached(BY_CURSOR, greatest) == "2026-03-31"

    def test_a_cursor_never_goes_back(self) -> None:
        assert reached(BY_CURSOR, date(2026, 1, 1), Watermark(cursor="2026-03-01")) == "2026-03-01"

    def test_a_cursor_from_the_future_is_not_carried_on(self) -> None:
        ahead = Watermark(cursor="2999-01-01")
        assert reached(BY_CURSOR, date(2026, 3, 1), ahead) == "2026-03-01"
        assert reached(BY_CURSOR, None, ahead) is None

    def test_a_cursor_goes_back_with_the_clock_of_the_server(self) -> None:
        previous = Watermark(cursor="2026-03-31", snapshot_at="2026-03-31T12:00:00.000001+00:00")
        assert reached(BY_CURSOR, date(2026, 3, 15), previous) == "2026-03-15"

    def test_an_empty_table_keeps_the_cursor(self) -> None:
        assert reached(BY_CURSOR, None, Watermark(cursor="2026-03-01")) == "2026-03-01"
        assert reached(BY_CURSOR, None) is None

    def test_the_day_is_that_of_the_business(self) -> None:
        midnight_utc = datetime(2026, 4, 1, 1, tzinfo=UTC)
        assert reached(BY_CURSOR, date(2026, 4, 1), oldest_open_at=midnight_utc) == "2026-03-31"

    def test_an_instant_is_held_back_to_the_oldest_open_transaction(self) -> None:
        assert reached(COMPANIES_BY_CURSOR, TAKEN_AT) == "2026-03-31T11:50:00.000000+00:00"

    def test_an_instant_is_held_back_by_the_lag_where_open_transactions_are_hidden(self) -> None:
        cursor = reached(COMPANIES_BY_CURSOR, TAKEN_AT, oldest_open_at=None)
        assert cursor == "2026-03-31T11:00:00.000000+00:00"

    def test_an_older_instant_is_taken_as_it_is(self) -> None:
        instant = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
        assert reached(COMPANIES_BY_CURSOR, instant) == "2026-01-02T03:04:05.678901+00:00"

    def test_texts_of_instants_sort_like_the_instants(self) -> None:
        whole = reached(COMPANIES_BY_CURSOR, datetime(2026, 1, 2, tzinfo=UTC))
        later = reached(COMPANIES_BY_CURSOR, datetime(2026, 1, 2, 0, 0, 0, 1, tzinfo=UTC))
        assert whole is not None
        assert later is not None
        assert whole < later


class TestStandby:
    @pytest.mark.parametrize("position", ["0/1FFF", "0/2000"])
    def test_is_read_where_it_shows_all_that_an_earlier_run_has_read(self, position: str) -> None:
        require_caught_up(STATE, replace(SNAPSHOT, is_standby=True, log_position=position))

    def test_is_refused_while_it_lags_behind_an_earlier_run(self) -> None:
        behind = replace(SNAPSHOT, is_standby=True, log_position="0/1FFE")
        with pytest.raises(TransientError, match=r"up to 0/1FFE.*installments.*up to 0/1FFF"):
            require_caught_up(STATE, behind)

    @pytest.mark.parametrize(
        "state", [{"watermark": None}, {"server": SERVER.model_copy(update={"timeline": 2})}]
    )
    def test_is_read_however_old_where_everything_is_read_anyway(
        self, state: dict[str, Any]
    ) -> None:
        behind = replace(SNAPSHOT, is_standby=True, log_position="0/1FFE")
        require_caught_up(STATE.model_copy(update=state), behind)


class TestMissedHistories:
    def test_a_cursor_says_that_it_is_blind_to_silent_updates(self) -> None:
        missed = missed_histories(BY_CURSOR, SNAPSHOT)
        assert "an update that touches no cursor column is not seen" in missed

    @pytest.mark.parametrize("change", [{"is_standby": True}, {"has_prepared_transactions": True}])
    def test_a_cursor_says_when_open_transactions_cannot_be_bounded(
        self, change: dict[str, Any]
    ) -> None:
        missed = missed_histories(BY_CURSOR, replace(SNAPSHOT, **change))
        assert "a transaction open at the snapshot may commit after the watermark" in missed

    def test_a_row_version_misses_no_update(self) -> None:
        assert not any("update" in missed for missed in missed_histories(SOURCE, SNAPSHOT))


class TestSql:
    def test_cursor_columns_must_be_of_one_type(self) -> None:
        mixed = replace(BY_CURSOR, cursor=("paid_date", "installment_number"))
        with pytest.raises(SettingsError, match=r"all be DATE or all TIMESTAMP.*INTEGER"):
            cursor_type(mixed)

    def test_names_and_values_are_quoted(self) -> None:
        assert quote('a"b') == '"a""b"'
        assert quote_literal("a'b") == "'a''b'"

    def test_a_key_of_several_columns_is_hashed_as_a_row(self) -> None:
        columns = (Column("a", "STRING", "REQUIRED"), Column("b", "STRING", "REQUIRED"))
        source = replace(SOURCE, columns=columns, key=("a", "b"))
        assert key_hash_sql(source) == 'hashtextextended(ROW("a"::text, "b"::text)::text, 0)'
