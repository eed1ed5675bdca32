"""The replication slot and the publication of one source: made, peeked into, advanced, dropped."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from credix.clients.postgres.connection import Refusals, SourceConnection
from credix.clients.postgres.pgoutput import Message, decode, lsn_number, lsn_text
from credix.core.contracts import Source
from credix.core.errors import SourceError, TransientError
from credix.core.settings import Settings
from credix.core.source_sql import quote, quote_literal, table_sql

# PostgreSQL cuts longer names off, without a word.
LONGEST_NAME = 63
# A slot is made once every transaction that writes has ended.
CREATE_SECONDS = 60
MESSAGES_AT_A_TIME = 1_000


def slot_name(prefix: str, source: str) -> str:
    """`credix_<prefix>_<source>`, of the slot and of its publication.

    A name that is too long, or has letters that a slot may not have, ends with its hash instead.
    """
    wanted = f"credix_{prefix}_{source}"
    name = re.sub("[^a-z0-9_]", "_", wanted.lower())
    if name == wanted and len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:12]
    return f"{name[: LONGEST_NAME - 13]}_{digest}"


@dataclass(frozen=True)
class SlotStatus:
    """What the server says of the slot.

    All changes that were committed from `confirmed_lsn` on can be peeked at, unless it is lost;
    `retained_bytes` of the server's log are kept because of it.
    """

    confirmed_lsn: int
    wal_status: str
    lost_because: str | None
    retained_bytes: int


class Replication:
    """A session of its own: what it does must not happen in the snapshot's transaction."""

    def __init__(self, settings: Settings, source: Source) -> None:
        self.settings, self.source = settings, source
        self.name = slot_name(settings.prefix, source.name)
        self.table = table_sql(source, settings.postgres_schema)
        self.connection = SourceConnection(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def find_publication(self) -> str | None:
        """What changes whenever the publication does; None when it does not say all of the table.

        Row filters and column lists exist since PostgreSQL 15.
        """
        found = self.connection.rows(
            """
            SELECT format('%%s.%%s.%%s.%%s', p.oid, p.xmin, r.oid, r.xmin)
            FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
            WHERE pubname = %(name)s AND r.prrelid = to_regclass(%(table)s)
              AND pubinsert AND pubupdate AND pubdelete AND pubtruncate AND pubviaroot
              AND to_jsonb(r)->>'prqual' IS NULL AND to_jsonb(r)->>'prattrs' IS NULL
              AND (SELECT count(*) FROM pg_publication_rel o WHERE o.prpubid = p.oid) = 1
            """,
            {"name": self.name, "table": self.table},
        )
        return found[0][0] if found else None

    def ensure_publication(self) -> str:
        """The version of the publication, which is created again unless it is as it must be."""
        found = self.find_publication()
        if found:
            return found
        statement = (
            f"CREATE PUBLICATION {quote(self.name)} FOR TABLE {self.table} WITH (publish = "
            "'insert, update, delete, truncate', publish_via_partition_root = true)"
        )
        refusal = SourceError(
            f"The role {self.settings.postgres_user} may not publish {self.table}: let the owner "
            f"of the table, who needs CREATE on the database, run DROP PUBLICATION IF EXISTS "
            f"{quote(self.name)}; {statement};"
        )
        self.connection.execute(
            f"DROP PUBLICATION IF EXISTS {quote(self.name)}; {statement}", {"42501": refusal}
        )
        return self.find_publication() or ""

    def status(self) -> SlotStatus | None:
        """Return None when there is no slot.

        Raises SourceError when its name belongs to another one.
        """
        rows = self.connection.rows(
            """
            SELECT plugin = 'pgoutput' AND database = current_database(), database,
                   coalesce(confirmed_flush_lsn, '0/0')::text, coalesce(wal_status, 'lost'),
                   to_jsonb(s)->>'invalidation_reason',
                   coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint
            FROM pg_replication_slots s WHERE slot_name = %(name)s
            """,
            {"name": self.name},
        )
        if not rows:
            return None
        is_ours, database, confirmed, wal_status, reason, retained = rows[0]
        if not is_ours:
            raise SourceError(
                f"The replication slot {self.name} is of another kind or database ({database}): "
                "drop it, or give this pipeline another CREDIX_PREFIX."
            )
        if wal_status == "lost":
            reason = reason or "wal_removed"
        return SlotStatus(lsn_number(confirmed), wal_status, reason, retained)

    def create_slot(self, seconds: int = CREATE_SECONDS) -> None:
        """Make the slot; what commits from now on can be peeked at.

        Raises TransientError when a transaction that is open ends too late, SourceError when the
        role may not or the server has no slot left.
        """
        self.connection.execute(f"SET statement_timeout = '{seconds}s'")
        try:
            self.connection.rows(
                "SELECT pg_create_logical_replication_slot(%(name)s, 'pgoutput')",
                {"name": self.name},
                {
                    **self._refusals(),
                    "53400": SourceError(
                        "All replication slots of the server are in use: drop one that no reader "
                        "needs (pg_replication_slots), or raise max_replication_slots."
                    ),
                    "57014": TransientError(
                        f"The replication slot {self.name} could not be made within {seconds} s: "
                        "a transaction that writes has been open for longer (pg_stat_activity, "
                        "pg_prepared_xacts). Run again when it has ended."
                    ),
                },
            )
        finally:
            self.connection.execute("RESET statement_timeout")

    def mark(self) -> int:
        """Return a place in the server's log up to which every visible commit can be decoded."""
        return lsn_number(self.connection.flush_log())

    def peek(self, upto: int) -> Iterator[Message]:
        """The changes of every transaction whose commit ends before `upto`, perhaps a few more.

        Nothing is consumed: the same changes are returned again until `advance`.
        """
        self.connection.execute("BEGIN READ ONLY")
        self.connection.execute(
            "DECLARE peeked NO SCROLL CURSOR FOR SELECT data "
            f"FROM pg_logical_slot_peek_binary_changes({quote_literal(self.name)}, "
            f"'{lsn_text(upto)}', NULL, 'proto_version', '1', "
            f"'publication_names', {quote_literal(quote(self.name))})"
        )
        fetch = f"FETCH {MESSAGES_AT_A_TIME} FROM peeked"
        while rows := self.connection.rows(fetch, None, self._refusals()):
            for (message,) in rows:
                yield decode(bytes(message))
        self.connection.execute("COMMIT")

    def advance(self, lsn: int) -> bool:
        """Let the server forget what was committed before; True when the slot has moved.

        Nothing happens to a slot that is lost, gone or further already: the next run sees to it.
        """
        status = self.status()
        if status is None or status.lost_because or status.confirmed_lsn >= lsn:
            return False
        self.connection.rows(
            "SELECT pg_replication_slot_advance(%(name)s, %(lsn)s)::text",
            {"name": self.name, "lsn": lsn_text(lsn)},
            self._refusals(),
        )
        return True

    def recreate_slot(self) -> None:
        """A slot that begins now, whatever was there."""
        self.drop_slot()
        self.create_slot()

    def drop_slot(self) -> None:
        """Drop the slot; the server keeps no log for it any more. Nothing happens without one."""
        if self.status() is not None:
            self.connection.rows(
                "SELECT pg_drop_replication_slot(%(name)s)::text",
                {"name": self.name},
                self._refusals(),
            )

    def drop(self) -> None:
        """Drop slot and publication; a publication of another role's stays, it costs nothing."""
        self.drop_slot()
        if self.owns_publication():
            self.connection.execute(f"DROP PUBLICATION IF EXISTS {quote(self.name)}")

    def owns_publication(self) -> bool:
        rows = self.connection.rows(
            "SELECT pg_has_role(pubowner, 'USAGE') FROM pg_publication WHERE pubname = %(name)s",
            {"name": self.name},
        )
        return bool(rows and rows[0][0])

    def _refusals(self) -> Refusals:
        user = self.settings.postgres_user
        return {
            "42501": SourceError(
                f"The role {user} may not use replication slots, which capture: log needs: "
                f"let an administrator run ALTER ROLE {quote(user)} REPLICATION."
            ),
            "55006": TransientError(
                f"Another session reads from the replication slot {self.name} right now: "
                "run again when it has ended."
            ),
        }
