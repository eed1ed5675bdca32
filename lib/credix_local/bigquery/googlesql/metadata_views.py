"""Columns of the metadata views that every dataset of BigQuery has.

Source: BigQuery reference, "Introduction to INFORMATION_SCHEMA" and the page of each view. A type
is written after a colon; without one it is STRING.
"""

from credix_local.bigquery.googlesql.tables import Field

TABLES_OF_DATASET = "__TABLES__"
INFORMATION_SCHEMA = "INFORMATION_SCHEMA"
TABLE = "table_catalog table_schema table_name"
ROUTINE = "specific_catalog specific_schema specific_name"
COLUMNS = {
    TABLES_OF_DATASET: "project_id dataset_id table_id creation_time:INT64 last_modified_time:INT64"
    " row_count:INT64 size_bytes:INT64 type:INT64",
    "COLUMNS": f"{TABLE} column_name ordinal_position:INT64 is_nullable data_type is_generated"
    " generation_expression is_stored is_hidden is_updatable is_system_defined"
    " is_partitioning_column clustering_ordinal_position:INT64 collation_name column_default"
    " rounding_mode data_policies policy_tags",
    "COLUMN_FIELD_PATHS": f"{TABLE} column_name field_path data_type description collation_name"
    " rounding_mode data_policies policy_tags",
    "CONSTRAINT_COLUMN_USAGE": f"{TABLE} column_name constraint_catalog constraint_schema"
    " constraint_name",
    "KEY_COLUMN_USAGE": f"constraint_catalog constraint_schema constraint_name {TABLE} column_name"
    " ordinal_position:INT64 position_in_unique_constraint:INT64",
    "MATERIALIZED_VIEWS": f"{TABLE} last_refresh_time:TIMESTAMP refresh_watermark:TIMESTAMP",
    "OBJECT_PRIVILEGES": "object_catalog object_schema object_name object_type privilege_type"
    " grantee",
    "PARTITIONS": f"{TABLE} partition_id total_rows:INT64 total_logical_bytes:INT64"
    " total_billable_bytes:INT64 last_modified_time:TIMESTAMP storage_tier",
    "ROUTINES": f"{ROUTINE} routine_catalog routine_schema routine_name routine_type data_type"
    " routine_body routine_definition external_language is_deterministic security_type"
    " created:TIMESTAMP last_altered:TIMESTAMP ddl",
    "SCHEMATA": "catalog_name schema_name schema_owner creation_time:TIMESTAMP"
    " last_modified_time:TIMESTAMP location ddl default_collation_name",
    "SCHEMATA_OPTIONS": "catalog_name schema_name option_name option_type option_value",
    "TABLES": f"{TABLE} table_type is_insertable_into is_fine_grained_mutations_enabled is_typed"
    " is_change_history_enabled creation_time:TIMESTAMP base_table_catalog base_table_schema"
    " base_table_name snapshot_time_ms:TIMESTAMP replica_source_catalog replica_source_schema"
    " replica_source_name replication_status replication_error ddl default_collation_name",
    "TABLE_CONSTRAINTS": f"constraint_catalog constraint_schema constraint_name {TABLE}"
    " constraint_type is_deferrable initially_deferred enforced",
    "TABLE_OPTIONS": f"{TABLE} option_name option_type option_value",
    "VIEWS": f"{TABLE} view_definition check_option use_standard_sql",
}


def view_fields(name: str) -> tuple[Field, ...] | None:
    """Return the columns of a view; None for one that is not listed here."""
    columns = COLUMNS.get(name.upper())
    if columns is None:
        return None
    words = (column.partition(":") for column in columns.split())
    return tuple(Field(name, kind or "STRING") for name, _, kind in words)


def is_metadata_view(path: tuple[str, ...]) -> bool:
    """Return whether a path names one of BigQuery's own views."""
    parts = [part.upper() for part in path]
    return parts[-1] == TABLES_OF_DATASET or INFORMATION_SCHEMA in parts[:-1]
