"""One text for one value, written alike by PostgreSQL and by BigQuery, and digests of it.

A row is compared by what it holds now: bronze's own hashes stay when bronze is edited.

STRING is the text itself; INTEGER decimal; BOOLEAN true or false; DATE ISO 8601; TIMESTAMP whole
microseconds since 1970, the resolution of both; NUMERIC decimal without trailing zeros; FLOAT 17
significant digits, which distinguish any two doubles. -0 and 0 are one value, NaN equals NaN, and
NULL has no text. Nothing is rounded: what BigQuery could not hold exactly (more than 29 digits
before or 9 after the point, years outside 1 to 9999) never reaches bronze, so in the source such
a value differs from all that bronze may hold.

PostgreSQL's expressions expect DateStyle ISO, as `clients.postgres` sets it.
"""

from collections.abc import Callable, Sequence

from credix.core.column_types import Column
from credix.core.source_sql import quote

# No text but that of a STRING can hold the separator or be the mark, and STRING is hashed.
SEPARATOR, NULL_MARK = "|", "-"
# One hex digit short of 64 bits, so that no side has to agree on a sign.
DIGEST_DIGITS = 15
DIGEST_BITS = 4 * DIGEST_DIGITS

Expression = Callable[[str], str]

POSTGRES_TEXTS: dict[str, Expression] = {
    "STRING": lambda name: f"{name}::text",
    "INTEGER": lambda name: f"{name}::text",
    "BOOLEAN": lambda name: f"{name}::text",
    "DATE": lambda name: f"{name}::text",
    "NUMERIC": lambda name: f"trim_scale({name})::text",
    # extract gives NUMERIC; no cast to bigint, so that an infinite timestamp has a text too.
    "TIMESTAMP": lambda name: f"trim_scale(extract(epoch FROM {name}) * 1000000)::text",
    # to_char cannot write NaN and infinity, and keeps a place for the sign.
    "FLOAT": lambda name: (
        f"CASE WHEN {name} = 0 THEN '0' WHEN {name} = 'NaN' THEN 'nan' "
        f"WHEN {name} = 'Infinity' THEN 'inf' WHEN {name} = '-Infinity' THEN '-inf' "
        f"ELSE ltrim(to_char({name}::float8, '9.9999999999999999EEEE')) END"
    ),
}
BIGQUERY_TEXTS: dict[str, Expression] = {
    "STRING": lambda name: name,
    "INTEGER": lambda name: f"cast({name} as string)",
    "BOOLEAN": lambda name: f"cast({name} as string)",
    "DATE": lambda name: f"cast({name} as string)",
    "NUMERIC": lambda name: f"cast({name} as string)",
    "TIMESTAMP": lambda name: f"cast(unix_micros({name}) as string)",
    "FLOAT": lambda name: (
        f"case when {name} = 0 then '0' when is_nan({name}) then 'nan' "
        f"when is_inf({name}) then if({name} > 0, 'inf', '-inf') "
        f"else format('%.16e', {name}) end"
    ),
}


def postgres_text(column: Column) -> str:
    """Return the column's canonical text as a PostgreSQL expression; NULL stays NULL."""
    return POSTGRES_TEXTS[column.type](quote(column.name))


def bigquery_text(column: Column) -> str:
    """Return the column's canonical text as a GoogleSQL expression; NULL stays NULL."""
    return BIGQUERY_TEXTS[column.type](f"`{column.name}`")


def postgres_digest(columns: Sequence[Column]) -> str:
    """Return 60 bits of the md5 of all columns as a PostgreSQL bigint."""
    # md5 of a text would take the bytes of the server's encoding, BigQuery's are UTF-8.
    fields = [
        f"md5(convert_to({postgres_text(column)}, 'UTF8'))"
        if column.type == "STRING"
        else postgres_text(column)
        for column in columns
    ]
    text = f" || '{SEPARATOR}' || ".join(f"coalesce({f}, '{NULL_MARK}')" for f in fields)
    return f"('x' || left(md5({text}), {DIGEST_DIGITS}))::bit({DIGEST_BITS})::bigint"


def bigquery_digest(columns: Sequence[Column]) -> str:
    """Return the same 60 bits as a GoogleSQL INT64."""
    fields = [
        f"to_hex(md5({bigquery_text(column)}))"
        if column.type == "STRING"
        else bigquery_text(column)
        for column in columns
    ]
    text = f", '{SEPARATOR}', ".join(f"coalesce({field}, '{NULL_MARK}')" for field in fields)
    return f"cast(concat('0x', substr(to_hex(md5(concat({text}))), 1, {DIGEST_DIGITS})) as int64)"
