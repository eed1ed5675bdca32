"""What happens to rows on one day, as SQL: set-based, and decided by a hash of key and salt.

Placeholders: the tables {installments} and {companies}, the parameters day, instant (00:00 UTC of
the day), salt (one per statement) and rows (how many are to change).
"""

from dataclasses import dataclass

from credix_local.demo.payers import chance_sql

# A payment may come this long before it is due; after OLD_DEBT_DAYS hardly any buyer pays.
EARLY_DAYS = 5
OLD_DEBT_DAYS = 60
OLD_DEBT_FACTOR = 0.05
FEWEST_ROWS = 3


@dataclass(frozen=True)
class Change:
    """One statement; it concerns `share` of the table's rows a day, but FEWEST_ROWS at least."""

    name: str
    source: str
    share: float
    sql: str


def chosen(table: str, key: str, condition: str) -> str:
    """Return the keys that come first by their hash with the salt, as a subquery."""
    return (
        f"SELECT {key} FROM {{{table}}} WHERE {condition} "
        f"ORDER BY hashtextextended({key}, %(salt)s), {key} LIMIT %(rows)s"
    )


def installments(condition: str) -> str:
    return f"asset_id IN ({chosen('installments', 'asset_id', condition)})"


def companies(condition: str) -> str:
    return f"cnpj IN ({chosen('companies', 'cnpj', condition)})"


def unit(key: str, salt: str) -> str:
    """Return a number from 0 to 1 that depends on the key and the salt alone."""
    return f"((hashtextextended({key}, {salt}) & 9223372036854775807)::float8 / 9.3e18)"


HAS_PHONE = "phone ~ '^[0-9]+$'"

# Who pays is decided by the hidden risk; `turn` is below 1 for those whose day it is.
PAYMENTS = f"""
WITH open AS (
    SELECT asset_id, {unit("asset_id", "%(salt)s")} / (
        {chance_sql("buyer_tax_id", "per_day")}
        * CASE WHEN due_date < %(day)s::date - {OLD_DEBT_DAYS} THEN {OLD_DEBT_FACTOR} ELSE 1 END
    ) AS turn
    FROM {{installments}}
    WHERE paid_date IS NULL AND expected_amount_in_cents > 0
        AND invoice_issue_date <= %(day)s AND due_date <= %(day)s::date + {EARLY_DAYS}
), payers AS (
    SELECT asset_id FROM open ORDER BY turn, asset_id
    LIMIT greatest(%(rows)s, (SELECT count(*) FROM open WHERE turn < 1))
)
UPDATE {{installments}} SET paid_date = %(day)s, paid_amount_in_cents =
    CASE WHEN {unit("asset_id", "%(salt)s + 1")} < {chance_sql("buyer_tax_id", "partial")}
    THEN (expected_amount_in_cents + 1) / 2 ELSE expected_amount_in_cents END
WHERE asset_id IN (SELECT asset_id FROM payers)
"""

CHANGES = (
    Change("payments", "installments", 0.0, PAYMENTS),
    Change(
        "corrected amounts",
        "installments",
        0.0002,
        "UPDATE {installments} SET expected_amount_in_cents = expected_amount_in_cents * 9 / 10 + 1"
        f" WHERE {installments('paid_date IS NULL AND expected_amount_in_cents > 10')}",
    ),
    Change(
        "cleared payments",
        "installments",
        0.0001,
        "UPDATE {installments} SET paid_date = NULL, paid_amount_in_cents = NULL"
        f" WHERE {installments('paid_date < %(day)s')}",
    ),
    Change(
        "backdated payments",
        "installments",
        0.0001,
        "UPDATE {installments} SET paid_date = greatest(invoice_issue_date, paid_date - 7)"
        f" WHERE {installments('paid_date > invoice_issue_date')}",
    ),
    Change(
        "status changes",
        "cnpj_ws",
        0.0005,
        "UPDATE {companies} SET updated_at = greatest(updated_at, %(instant)s), registration_status"
        " = CASE registration_status WHEN 'ACTIVE' THEN 'SUSPENDED' WHEN 'UNFIT' THEN 'CLOSED'"
        f" ELSE 'ACTIVE' END WHERE {companies('true')}",
    ),
    Change(
        "capital changes",
        "cnpj_ws",
        0.0005,
        "UPDATE {companies} SET updated_at = greatest(updated_at, %(instant)s),"
        " share_capital = round(share_capital * 1.1, 2) + 1000"
        f" WHERE {companies('share_capital > 0')}",
    ),
    # The application forgets updated_at: capture by cursor cannot see these.
    Change(
        "silent changes",
        "cnpj_ws",
        0.0002,
        "UPDATE {companies} SET phone = left(phone, -1) || mod(right(phone, 1)::int + 1, 10)"
        f" WHERE {companies(HAS_PHONE)}",
    ),
)

DELETES = (
    Change(
        "deleted installments",
        "installments",
        0.0002,
        f"DELETE FROM {{installments}} WHERE {installments('true')}",
    ),
    Change(
        "deleted companies",
        "cnpj_ws",
        0.0002,
        f"DELETE FROM {{companies}} WHERE {companies('true')}",
    ),
)
