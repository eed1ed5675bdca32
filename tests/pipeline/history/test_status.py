"""What `status` says of a replication slot."""

from dataclasses import replace

import pytest
from pydantic import SecretStr

from credix.clients.postgres.replication import Replication, SlotStatus
from credix.core.contracts import load_source
from credix.core.settings import Settings
from credix.pipeline.history.status import describe_slot
from tests.tables import Table

SOURCE = replace(load_source("installments"), capture="log")


def test_the_log_that_the_server_keeps_for_a_slot_is_shown(
    log_settings: Settings, tables: dict[str, Table]
) -> None:
    assert tables["installments"].rows() == {}
    name = f"credix_{log_settings.prefix}_installments"
    assert describe_slot(log_settings, SOURCE) == f"{name}: none, the next run reads in full"
    with Replication(log_settings, SOURCE) as replication:
        replication.create_slot()
    text = describe_slot(log_settings, SOURCE)
    assert text.startswith(f"{name}: keeps ")
    assert text.endswith("MiB of the server's log (reserved)")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (SlotStatus(1, "extended", None, 3 * 2**20), "WARNING: that is more than CREDIX_SLOT_WARN"),
        (SlotStatus(1, "lost", "wal_removed", 0), "lost (wal_removed), the next run reads in full"),
    ],
)
def test_a_slot_that_keeps_much_or_is_lost_is_warned_of(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, status: SlotStatus, words: str
) -> None:
    monkeypatch.setattr(Replication, "status", lambda _: status)
    warned = settings.model_copy(update={"slot_warn_mb": 2})
    assert words in describe_slot(warned, SOURCE)


def test_a_server_that_cannot_be_asked_does_not_end_the_status(settings: Settings) -> None:
    locked_out = settings.model_copy(update={"postgres_password": SecretStr("wrong")})
    assert describe_slot(locked_out, SOURCE).startswith("not known: PostgreSQL at ")
