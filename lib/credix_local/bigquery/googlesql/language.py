"""GoogleSQL as BigQuery configures it: language features, statements, options, variables."""

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from zetasql.wasi._pb2.zetasql.proto import options_pb2
from zetasql.wasi._pb2.zetasql.public import options_pb2 as public_options
from zetasql.wasi._pb2.zetasql.public import type_pb2
from zetasql.wasi._pb2.zetasql.resolved_ast import resolved_node_kind_pb2

from credix_local.bigquery.googlesql.tables import scalar_type

# BigQuery's default; GoogleSQL's own is America/Los_Angeles.
TIME_ZONE = "UTC"
# Names as GoogleSQL has them. The toolkit's list is that of its class BigQueryLanguageOptions
# without TIMESTAMP_NANOS, since a TIMESTAMP of BigQuery has microseconds. The others are in
# BigQuery's reference, and none changes what an older query means.
NAMES = "language.json"
TOOLKIT_FEATURES = "features of Google's zetasql-toolkit"
DOCUMENTED_FEATURES = "features that BigQuery documents besides"
STATEMENTS = "statements"
# BigQuery reference, "System variables reference".
SYSTEM_VARIABLES = {
    "project_id": "STRING",
    "dataset_id": "STRING",
    "dataset_project_id": "STRING",
    "time_zone": "STRING",
    "query_label": "STRING",
    "row_count": "INT64",
    "current_job_id": "STRING",
    "last_job_id": "STRING",
    "error.message": "STRING",
    "error.statement_text": "STRING",
    "error.formatted_stack_trace": "STRING",
    "script.bytes_billed": "INT64",
    "script.bytes_processed": "INT64",
    "script.creation_time": "TIMESTAMP",
    "script.job_id": "STRING",
    "script.num_child_jobs": "INT64",
    "script.slot_ms": "INT64",
}
# OPTIONS of tables, views, columns and datasets (BigQuery reference, "Data definition language");
# others are refused. None where the type is one that GoogleSQL infers.
OPTIONS = {
    "default_kms_key_name": "STRING",
    "default_partition_expiration_days": "FLOAT64",
    "default_rounding_mode": "STRING",
    "default_table_expiration_days": "FLOAT64",
    "description": "STRING",
    "enable_change_history": "BOOL",
    "enable_refresh": "BOOL",
    "expiration_timestamp": "TIMESTAMP",
    "friendly_name": "STRING",
    "is_case_insensitive": "BOOL",
    "kms_key_name": "STRING",
    "labels": None,
    "location": "STRING",
    "max_staleness": "INTERVAL",
    "max_time_travel_hours": "INT64",
    "partition_expiration_days": "FLOAT64",
    "refresh_interval_minutes": "FLOAT64",
    "require_partition_filter": "BOOL",
    "rounding_mode": "STRING",
    "storage_billing_model": "STRING",
    "tags": None,
}


@cache
def language_options() -> options_pb2.LanguageOptionsProto:
    """Return the language that BigQuery speaks."""
    names = json.loads(files(__package__).joinpath(NAMES).read_text("utf-8"))
    features = [
        getattr(public_options, f"FEATURE_{name}")
        for name in (*names[TOOLKIT_FEATURES], *names[DOCUMENTED_FEATURES])
    ]
    return options_pb2.LanguageOptionsProto(
        name_resolution_mode=public_options.NAME_RESOLUTION_DEFAULT,
        product_mode=public_options.PRODUCT_EXTERNAL,
        enabled_language_features=sorted(features),
        supported_statement_kinds=[
            getattr(resolved_node_kind_pb2, f"RESOLVED_{name}") for name in names[STATEMENTS]
        ],
        reserved_keywords=["QUALIFY"],
    )


def analyzer_options(
    names: Iterable[tuple[str, type_pb2.TypeProto]] = (),
    positions: Iterable[type_pb2.TypeProto] = (),
) -> options_pb2.AnalyzerOptionsProto:
    """How BigQuery asks for an analysis, with the query's parameters by name or by position."""
    made = options_pb2.AnalyzerOptionsProto()
    made.CopyFrom(_common_options())
    for name, kind in names:
        made.query_parameters.add(name=name, type=kind)
    for kind in positions:
        made.parameter_mode = public_options.PARAMETER_POSITIONAL
        made.positional_query_parameters.append(kind)
    return made


@cache
def _common_options() -> options_pb2.AnalyzerOptionsProto:
    made = options_pb2.AnalyzerOptionsProto(
        language_options=language_options(),
        default_timezone=TIME_ZONE,
        parameter_mode=public_options.PARAMETER_NAMED,
        error_message_mode=public_options.ERROR_MESSAGE_ONE_LINE,
        prune_unused_columns=True,
        statement_context=public_options.CONTEXT_DEFAULT,
        preserve_column_aliases=True,
    )
    allowed = made.allowed_hints_and_options
    allowed.disallow_unknown_options = allowed.disallow_duplicate_option_names = True
    for name, kind in OPTIONS.items():
        allowed.option.add(name=name, type=scalar_type(kind) if kind else None)
    for path, kind in SYSTEM_VARIABLES.items():
        made.system_variables.add(name_path=path.split("."), type=scalar_type(kind))
    return made
