"""Whether the server's log contains which rows of a source change; nothing is written here.

To publish a table whose rows have no replica identity would make the application's own updates
and deletes fail, so this is asked before.
"""

from credix.capture.source_table import SourceTable
from credix.clients.postgres.connection import SourceConnection
from credix.core.contracts import Source
from credix.core.errors import SourceError
from credix.core.source_sql import quote

IDENTITIES = {"d": "DEFAULT", "i": "USING INDEX", "n": "NOTHING"}


def require_log(table: SourceTable) -> None:
    """Raise SourceError when the server, the table or one of its partitions does not fit."""
    connection, source = table.connection, table.source
    table.require()
    require_server(connection, source)
    oids = table.relation_oids()
    require_logged_relations(connection, source, oids)
    require_identity(connection, source, oids)


def require_server(connection: SourceConnection, source: Source) -> None:
    is_standby, wal_level = connection.rows(
        "SELECT pg_is_in_recovery(), current_setting('wal_level')"
    )[0]
    if is_standby:
        raise SourceError(
            f"'{source.name}' is captured by log, which cannot be read from a standby: name the "
            "primary in POSTGRES_HOST, or set capture: row_version in sources.yml."
        )
    if wal_level != "logical":
        raise SourceError(
            f"'{source.name}' is captured by log, but the server's wal_level is {wal_level}: let "
            "an administrator run ALTER SYSTEM SET wal_level = 'logical' and restart it, or set "
            "capture: row_version in sources.yml."
        )


def require_logged_relations(
    connection: SourceConnection, source: Source, oids: tuple[int, ...]
) -> None:
    """Raise SourceError for a relation that the log says nothing of."""
    for name, is_unlogged, is_parent in connection.rows(
        """
        SELECT oid::regclass::text, relpersistence <> 'p',
               relkind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid)
        FROM pg_class c WHERE oid = ANY (%(oids)s::oid[])
        """,
        {"oids": list(oids)},
    ):
        if is_unlogged:
            raise SourceError(
                f"{name} is not logged, so the log does not contain its changes: ALTER TABLE "
                f"{name} SET LOGGED, or set capture: row_version for '{source.name}' in "
                "sources.yml."
            )
        if is_parent:
            raise SourceError(
                f"{name} has child tables by inheritance, whose changes are not published under "
                f"its name: set capture: row_version for '{source.name}' in sources.yml."
            )


def require_identity(connection: SourceConnection, source: Source, oids: tuple[int, ...]) -> None:
    """Raise SourceError where a deleted row or a changed key would leave the log without a key.

    A replica identity counts when it holds all columns of the key; FULL always does.
    """
    index_columns = """
        SELECT attname::text FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid
                           AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
        WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
    """
    for name, identity, identifying, primary in connection.rows(
        f"""
        SELECT c.oid::regclass::text, relreplident::text,
               ARRAY({index_columns} AND CASE relreplident WHEN 'd' THEN indisprimary
                                         WHEN 'i' THEN indisreplident ELSE false END),
               ARRAY({index_columns} AND indisprimary)
        FROM pg_class c WHERE c.oid = ANY (%(oids)s::oid[]) AND relkind = 'r'
        ORDER BY c.oid
        """,
        {"oids": list(oids)},
    ):
        if identity == "f" or set(source.key) <= set(identifying):
            continue
        key = ", ".join(quote(column) for column in source.key)
        if set(source.key) <= set(primary):
            remedy = "REPLICA IDENTITY DEFAULT"
        elif primary:
            remedy = "REPLICA IDENTITY FULL"
        else:
            remedy = f"ADD PRIMARY KEY ({key})"
        raise SourceError(
            f"{name}: its replica identity {IDENTITIES[identity]} "
            f"({', '.join(identifying) or 'no column'}) does not hold the key ({key}), so the log "
            f"would not name deleted rows: ALTER TABLE {name} {remedy}."
        )


def key_types(table: SourceTable) -> tuple[str, ...]:
    """Return the types of the key's columns as in a cast, without their lengths."""
    found = dict(
        table.connection.rows(
            """
            SELECT attname, format_type(atttypid, -1) FROM pg_attribute
            WHERE attrelid = %(table)s::regclass AND attname = ANY (%(key)s)
            """,
            {"table": table.sql, "key": list(table.source.key)},
        )
    )
    return tuple(found[column] for column in table.source.key)
