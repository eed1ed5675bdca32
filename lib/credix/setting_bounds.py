"""The settings that say how the source is read, what stops a run, and whom it tells.

`docs/settings.md` is made of these classes (`make docs`), as of those in `setting_groups`.
"""

from pathlib import Path

from pydantic import BaseModel, Field, SecretStr

MEBIBYTE = 1 << 20
TEBIBYTE = 1 << 40


class Reading(BaseModel):
    """How the source is read."""

    extract_connections: int = Field(
        8,
        alias="CREDIX_EXTRACT_CONNECTIONS",
        ge=1,
        le=64,
        description="how many connections share the read of a whole table, never more than "
        "this machine has cores",
    )
    part_bytes: int = Field(
        200 * MEBIBYTE,
        alias="CREDIX_PART_BYTES",
        ge=MEBIBYTE,
        le=256 * MEBIBYTE,
        description="a Parquet part ends with the row group that reaches this size",
    )
    row_group_rows: int = Field(
        100_000, alias="CREDIX_ROW_GROUP_ROWS", ge=1_000, description="rows of a row group"
    )
    slice_bytes: int = Field(
        4096 * MEBIBYTE,
        alias="CREDIX_SLICE_BYTES",
        ge=1024,
        description="local disk for Parquet parts: a read that needs more is cut into slices, "
        "each a complete cycle from extract to bronze",
    )
    cursor_lag_seconds: int = Field(
        3600,
        alias="CREDIX_CURSOR_LAG_SECONDS",
        ge=0,
        description="how far a cursor is held back where the role may not see open transactions",
    )
    duckdb_memory: str = Field(
        "1GB",
        alias="CREDIX_DUCKDB_MEMORY",
        pattern=r"^\d+(MB|GB)$",
        description="memory of the profile in 01",
    )


class Bounds(BaseModel):
    """What a run may take, and what stops it."""

    max_deleted_share: float = Field(
        0.1,
        alias="CREDIX_MAX_DELETED_SHARE",
        ge=0,
        le=1,
        description="a run that finds more than this share of bronze's rows gone from the "
        "source stops, unless `--allow-deletes`; up to 100 rows always pass",
    )
    maximum_bytes_billed: int = Field(
        TEBIBYTE,
        alias="CREDIX_MAXIMUM_BYTES_BILLED",
        ge=1,
        description="bytes that one query may be billed for (1 TiB), of the steps and of dbt "
        "alike; BigQuery refuses a larger one before it runs",
    )
    retry_seconds: float = Field(
        60,
        alias="CREDIX_RETRY_SECONDS",
        ge=0,
        description="how long a request or a job that fails for now is repeated, counted from its "
        "first failure, and a locked source table is waited for",
    )
    lease_seconds: int = Field(
        300,
        alias="CREDIX_LEASE_SECONDS",
        ge=10,
        description="term of a lease, renewed every third of it",
    )
    source_wait_seconds: int = Field(
        600,
        alias="CREDIX_SOURCE_WAIT_SECONDS",
        ge=0,
        description="how long a run waits for another that holds one of its sources; 0 refuses at "
        "once",
    )
    gold_wait_seconds: int = Field(
        300,
        alias="CREDIX_GOLD_WAIT_SECONDS",
        ge=0,
        description="how long a run waits for another that builds gold",
    )
    pause_seconds: int = Field(
        900,
        alias="CREDIX_PAUSE_SECONDS",
        ge=1,
        description="by hand: how long after its last cell a kernel keeps the leases on its source "
        "and on gold",
    )
    notebook_timeout_seconds: int = Field(
        3600, alias="CREDIX_NOTEBOOK_TIMEOUT_SECONDS", ge=1, description="bound of one cell"
    )
    temp_table_hours: int = Field(
        24,
        alias="CREDIX_TEMP_TABLE_HOURS",
        ge=1,
        description="expiration of a temp table whose run has failed; on the local server, which "
        "forgets it, a later run drops the table then",
    )
    die_at: str | None = Field(
        None,
        alias="CREDIX_DIE_AT",
        pattern=r"^[a-z_.]+(#\d+)?:(before|after)$",
        description="ends the process at a side effect, to prove that the next run recovers",
    )


class Telling(BaseModel):
    """Whom a run tells, and of what."""

    late_minutes: int = Field(
        60,
        alias="CREDIX_LATE_MINUTES",
        ge=1,
        description="how many minutes more than its schedule leaves between two runs a source may "
        "be old; where no schedule carries it, how old at all. A source whose bronze is older "
        "after a run is late; numbers whose gold is older are used with care. `late_minutes` of a "
        "source in `sources.toml` replaces its schedule and this",
    )
    slot_warn_mb: int = Field(
        1024,
        alias="CREDIX_SLOT_WARN_MB",
        ge=1,
        description="`status` warns of a replication slot that keeps more of the server's log",
    )
    alert_urls: SecretStr | None = Field(
        None,
        alias="CREDIX_ALERT_URLS",
        description="whom to alert, as [Apprise](https://github.com/caronc/apprise) addresses, "
        "blank separated: `slack://…`, `mailtos://…`, `json://host/path`",
    )
    alert_topic: str | None = Field(
        None,
        alias="CREDIX_ALERT_TOPIC",
        pattern=r"^projects/[^/\s]+/topics/[^/\s]+$",
        description="a Pub/Sub topic that gets the same as JSON: `projects/P/topics/T`",
    )
    openlineage_url: str | None = Field(
        None,
        alias="CREDIX_OPENLINEAGE_URL",
        pattern=r"^https?://[^\s@]+$",
        description="a server that gets the lineage of each run as "
        "[OpenLineage](https://openlineage.io) events, at `api/v1/lineage` below "
        "this address",
    )
    openlineage_api_key: SecretStr | None = Field(
        None, alias="CREDIX_OPENLINEAGE_API_KEY", description="its bearer token"
    )
    elementary_packages: Path | None = Field(
        None,
        alias="CREDIX_ELEMENTARY_PACKAGES",
        description="a folder with the dbt packages `elementary` and `dbt_utils`, where they "
        "cannot be downloaded",
    )
    elementary_webhook: SecretStr | None = Field(
        None,
        alias="CREDIX_ELEMENTARY_WEBHOOK",
        description="a Slack or Teams webhook that Elementary itself tells of failed monitors",
    )
