"""The source table against its contract: it exists, may be read, has the columns and the key."""

from dataclasses import dataclass
from datetime import timedelta

from credix.capture.large_read.heap import HeapSize
from credix.capture.predicates import Snapshot
from credix.clients.postgres.connection import SourceConnection
from credix.clients.postgres.pgoutput import lsn_number
from credix.core.column_types import TYPES
from credix.core.contracts import Source
from credix.core.errors import SourceError, TransientError
from credix.core.source_sql import quote, table_sql
from credix.core.watermarks import Server

# pg_class.relkind of tables and partitioned tables; xmin and locks mean nothing for the others.
TABLE_KINDS = {"r", "p"}
OTHER_KINDS = {"v": "view", "m": "materialized view", "f": "foreign table"}


@dataclass(frozen=True)
class ColumnCheck:
    """One column in the contract and in the source."""

    name: str
    contract: str | None
    source: str | None

    @property
    def fits(self) -> bool:
        return bool(self.contract and self.source and self.source in TYPES[self.contract].accepted)


@dataclass(frozen=True)
class SourceTable:
    """A source's table in PostgreSQL, as one session sees it, and what its contract says of it."""

    connection: SourceConnection
    source: Source

    @property
    def schema(self) -> str:
        """The schema of the table, unless its contract names another one."""
        return self.connection.settings.postgres_schema

    @property
    def name(self) -> str:
        """Return the table as people write it: `schema.table`."""
        return self.source.table_in(self.schema)

    @property
    def sql(self) -> str:
        """The table in a statement, quoted."""
        return table_sql(self.source, self.schema)

    def take_snapshot(self) -> Snapshot:
        """Lock the table against TRUNCATE and rewrites, then take the snapshot; both until close.

        The open transactions are read first: one that is seen neither here nor by the snapshot
        began after `asked_at` and so after the bound.
        """
        self.require()
        asked_at, oldest, may_see_all, has_prepared = self.connection.rows(
            """
            SELECT clock_timestamp(), min(xact_start),
                   pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
                   EXISTS (SELECT FROM pg_prepared_xacts)
            FROM pg_stat_activity
            WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid()
            """
        )[0]
        self.connection.begin(f"LOCK TABLE {self.sql} IN ACCESS SHARE MODE")
        taken_at, row_version, next_row_version, is_standby, system, version = self.connection.rows(
            """
            SELECT statement_timestamp(),
                   pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
                   pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
                   pg_is_in_recovery(),
                   (SELECT system_identifier::text FROM pg_control_system()),
                   current_setting('server_version_num')::int / 10000
            """
        )[0]
        log_position, timeline = log_end(self.connection, is_standby=is_standby)
        oldest_open_at = min(oldest or asked_at, asked_at) - timedelta(microseconds=1)
        oids = self.relation_oids()
        return Snapshot(
            taken_at=taken_at,
            row_version=row_version,
            next_row_version=next_row_version,
            server=Server(
                system_identifier=system,
                timeline=timeline,
                major_version=version,
            ),
            relation_oids=oids,
            relation_marks=relation_marks(self.connection, oids),
            column_numbers=self.column_numbers(),
            oldest_open_at=oldest_open_at if may_see_all else None,
            is_standby=is_standby,
            log_position=log_position,
            has_prepared_transactions=has_prepared,
        )

    def require(self) -> None:
        """Raise SourceError when the table is missing, no table, or may not be read."""
        name, settings = self.name, self.connection.settings
        found = self.connection.rows(
            """
            SELECT relkind::text, has_schema_privilege(relnamespace, 'USAGE')
                                  AND has_table_privilege(c.oid, 'SELECT')
            FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
            WHERE nspname = %(schema)s AND relname = %(table)s
            """,
            {"schema": self.source.schema_in(self.schema), "table": self.source.table},
        )
        if not found:
            raise SourceError(
                f"The source table {name} does not exist in database "
                f"{settings.postgres_db}: create it, or correct POSTGRES_SCHEMA or the "
                f"table of '{self.source.name}' in sources.yml."
            )
        kind, may_read = found[0]
        if kind not in TABLE_KINDS:
            raise SourceError(
                f"{name} is a {OTHER_KINDS.get(kind, 'relation of kind ' + kind)}: changes can "
                "only be captured from a table. Name the table that it reads in sources.yml."
            )
        if not may_read:
            raise SourceError(
                f"The role {settings.postgres_user} may not read {name}: grant it USAGE on "
                f"the schema and SELECT on the whole table."
            )

    def relation_oids(self) -> tuple[int, ...]:
        """Return the table's oid and those of its partitions and children, in order."""
        rows = self.connection.rows(
            """
            WITH RECURSIVE tree(oid) AS (
                SELECT %(table)s::regclass::oid
                UNION ALL
                SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid
            )
            SELECT oid::bigint FROM tree ORDER BY oid
            """,
            {"table": self.sql},
        )
        return tuple(oid for (oid,) in rows)

    def heap_size(self) -> HeapSize:
        """Return the size of the table with its partitions and its values stored out of line."""
        oids = self.relation_oids()
        rows = self.connection.rows(
            """
            SELECT pg_relation_size(relation) / current_setting('block_size')::int,
                   pg_table_size(relation)
            FROM unnest(%(oids)s::oid[]) AS asked(relation)
            """,
            {"oids": list(oids)},
        )
        return HeapSize(tuple(blocks for blocks, _ in rows), int(sum(size for _, size in rows)))

    def count_rows(self) -> int:
        """Return the rows of the snapshot, by one scan that PostgreSQL's workers share."""
        return int(self.connection.rows(f"SELECT count(*) FROM {self.sql}")[0][0])

    def column_numbers(self) -> tuple[int, ...]:
        """Return the attribute numbers of the contract's columns.

        A column added again has another one.
        """
        rows = self.connection.rows(
            """
            SELECT attnum::int FROM pg_attribute
            WHERE attrelid = %(table)s::regclass AND attname = ANY (%(names)s) AND NOT attisdropped
            ORDER BY array_position(%(names)s, attname::text)
            """,
            {"table": self.sql, "names": self.source.column_names},
        )
        return tuple(number for (number,) in rows)

    def check_columns(self) -> list[ColumnCheck]:
        """Return every column of contract and source.

        Raises SourceError where they do not fit.
        """
        rows = self.connection.rows(
            """
            SELECT attname, regexp_replace(format_type(atttypid, atttypmod), '\\(.*?\\)', '')
            FROM pg_attribute
            WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped
            ORDER BY attnum
            """,
            {"table": self.sql},
        )
        found = {name: kind.strip() for name, kind in rows}
        checks = [ColumnCheck(c.name, c.type, found.get(c.name)) for c in self.source.columns]
        extra = [ColumnCheck(name, None, found[name]) for name in found]
        name = self.name
        missing = [check.name for check in checks if check.source is None]
        if missing:
            raise SourceError(
                f"{name} has no column {', '.join(missing)}, which {self.source.name}.json "
                "demands: was it dropped or renamed? Restore it, or change the contract."
            )
        wrong = [
            f"{check.name} is {check.source}, the contract says {check.contract} "
            f"({' or '.join(sorted(TYPES[check.contract or ''].accepted))})"
            for check in checks
            if not check.fits
        ]
        if wrong:
            raise SourceError(f"{name}: column {'; column '.join(wrong)}. Change one of the two.")
        return checks + [check for check in extra if check.name not in self.source.column_names]

    def check_key(self) -> str:
        """Return how the key is known to be unique and NOT NULL.

        Raises SourceError with the violations.
        """
        columns = ", ".join(self.source.key)
        if self._is_declared():
            return f"({columns}) is unique and NOT NULL by a constraint of the table"
        quoted = [quote(column) for column in self.source.key]
        nulls, duplicates = self.connection.rows(
            f"""
            SELECT coalesce(sum(n) FILTER (WHERE is_null), 0)::bigint,
                   coalesce(sum(n - 1) FILTER (WHERE NOT is_null), 0)::bigint
            FROM (SELECT count(*) AS n, {" OR ".join(f"{q} IS NULL" for q in quoted)} AS is_null
                  FROM {self.sql} GROUP BY {", ".join(quoted)}) keys
            """
        )[0]
        if nulls or duplicates:
            raise SourceError(
                f"{self.name}: the key ({columns}) is not usable: {nulls} rows without a "
                f"key, {duplicates} rows with a key that another row has. Remove them, then add "
                "a primary key so that they cannot come back."
            )
        return f"({columns}) was counted: unique and without NULL in this snapshot"

    def _is_declared(self) -> bool:
        """Return True when a valid unique index over exactly the key holds for the whole table."""
        rows = self.connection.rows(
            """
            SELECT 1
            FROM pg_index i JOIN pg_class c ON c.oid = indrelid
            WHERE indrelid = %(table)s::regclass AND indisunique AND indisvalid AND indimmediate
              AND indpred IS NULL AND indexprs IS NULL
              AND (c.relkind = 'p' OR NOT c.relhassubclass)
              AND (SELECT array_agg(attname::text ORDER BY attname::text) FROM pg_attribute
                   WHERE attrelid = indrelid AND attnum = ANY (indkey[0:indnkeyatts - 1]))
                  = %(key)s::text[]
              AND NOT EXISTS (SELECT FROM pg_attribute
                   WHERE attrelid = indrelid AND attnum = ANY (indkey[0:indnkeyatts - 1])
                     AND NOT attnotnull)
            """,
            {"table": self.sql, "key": sorted(self.source.key)},
        )
        return bool(rows)


def log_end(connection: SourceConnection, *, is_standby: bool) -> tuple[str, int]:
    """Return where the server's log ends, and on which timeline.

    On a standby the timeline is the one of its latest restart point, or of what it had to replay: a
    standby that was rewound or copied again has the new one at once.
    """
    if is_standby:
        position, timeline = connection.rows(
            """
            SELECT pg_last_wal_replay_lsn()::text,
                   greatest((SELECT timeline_id FROM pg_control_checkpoint()),
                            (SELECT min_recovery_end_timeline FROM pg_control_recovery()))
            """
        )[0]
        return position, timeline
    position, file = connection.rows(
        "SELECT lsn::text, pg_walfile_name(lsn) FROM pg_current_wal_insert_lsn() AS lsn"
    )[0]
    return position, int(file[:8], 16)


def make_durable(connection: SourceConnection, snapshot: Snapshot) -> None:
    """Flush the server's log up to all that the snapshot sees.

    A crash loses what is not flushed: commits that were visible, and transaction ids that were in
    use, which the server then hands out again, below the watermark. A standby receives only what
    the disk of its primary holds.
    """
    if snapshot.is_standby or is_flushed(connection, snapshot):
        return
    with SourceConnection(connection.settings) as other:
        other.flush_log()
    # Asked in the snapshot's own session: it ends where the server has crashed since.
    if not is_flushed(connection, snapshot):
        raise TransientError(
            f"PostgreSQL at {connection.address} has not written its log up to "
            f"{snapshot.log_position}: run again."
        )


def is_flushed(connection: SourceConnection, snapshot: Snapshot) -> bool:
    flushed = connection.rows("SELECT pg_current_wal_flush_lsn()::text")[0][0]
    return lsn_number(flushed) >= lsn_number(snapshot.log_position)


def relation_marks(connection: SourceConnection, oids: tuple[int, ...]) -> tuple[str, ...]:
    """Return a text per relation that changes when its file or its place below a parent does."""
    rows = connection.rows(
        """
        SELECT concat_ws('.', coalesce(pg_relation_filenode(relation), 0),
                         (SELECT string_agg(concat_ws('.', inhparent, xmin), '.' ORDER BY inhparent)
                          FROM pg_inherits WHERE inhrelid = relation))
        FROM unnest(%(oids)s::oid[]) WITH ORDINALITY AS asked(relation, place)
        ORDER BY place
        """,
        {"oids": list(oids)},
    )
    return tuple(mark for (mark,) in rows)
