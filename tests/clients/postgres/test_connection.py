"""The session on the source: how it is encrypted, and how long it holds its snapshot."""

import time

import pytest

from credix.clients.postgres import connection as postgres
from credix.clients.postgres.connection import SourceConnection, translate
from credix.core.errors import SourceError, TransientError
from credix.core.settings import Settings


def test_a_server_that_does_not_encrypt_is_refused_where_it_has_to(settings: Settings) -> None:
    strict = settings.model_copy(update={"postgres_sslmode": "require"})
    with pytest.raises(SourceError, match=r"does not support SSL.*Correct POSTGRES_SSLMODE"):
        SourceConnection(strict)


def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    line = 'root certificate file "ca.pem" does not exist'
    assert "POSTGRES_SSLROOTCERT" in str(translate(None, line, "db:5432"))


def test_a_session_holds_its_snapshot_while_rows_are_read_with_it_and_no_longer(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "IDLE_SECONDS", 1)
    with SourceConnection(settings) as connection:
        connection.begin(None)
        first, second = (connection.stream("SELECT generate_series(1, 2) AS n") for _ in "ab")
        next(first), next(second)
        list(second)
        time.sleep(1.5)
        list(first)
        assert connection.rows("SELECT 1") == [(1,)]
        time.sleep(1.5)
        with pytest.raises(TransientError):
            connection.rows("SELECT 1")


def test_a_snapshot_whose_session_has_ended_is_no_fault_of_a_value(settings: Settings) -> None:
    with SourceConnection(settings) as holder, SourceConnection(settings) as reader:
        holder.begin(None)
        reader.snapshot_id = holder.snapshot_id
        holder.close()
        with pytest.raises(TransientError, match="ended the session that holds the snapshot"):
            list(reader.stream("SELECT 1 AS n"))


def test_both_sides_notice_that_the_other_one_is_gone(settings: Settings) -> None:
    with SourceConnection(settings) as connection:
        server = connection.rows(
            "SELECT current_setting('tcp_keepalives_idle'), "
            "current_setting('tcp_keepalives_interval'), current_setting('tcp_keepalives_count')"
        )
        assert server == [("60", "10", "6")]
        known = connection._connection.info.dsn_parameters
        assert (known["keepalives_idle"], known["keepalives_count"]) == ("60", "6")
