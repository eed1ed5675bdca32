"""How BigQuery lets tables be partitioned and clustered, which GoogleSQL leaves to its engines.

Source: BigQuery reference, "Data definition language", CREATE TABLE, partition_expression and
clustering_column_list.
"""

from zetasql.wasi._pb2.zetasql.public import type_pb2
from zetasql.wasi._pb2.zetasql.resolved_ast import resolved_ast_pb2

from credix_local.bigquery.googlesql.engine import StatementRefusedError

MOST_CLUSTERING_COLUMNS = 4
CREATED = {"resolved_create_table_stmt_node", "resolved_create_table_as_select_stmt_node"}
TRUNCATIONS = {"date_trunc", "datetime_trunc", "timestamp_trunc"}
CLUSTERING_TYPES = {
    "BIGNUMERIC",
    "BOOL",
    "DATE",
    "DATETIME",
    "GEOGRAPHY",
    "INT64",
    "NUMERIC",
    "RANGE",
    "STRING",
    "TIMESTAMP",
}
PARTITIONING = (
    "PARTITION BY expression must be DATE(<timestamp_column>), DATE(<datetime_column>), "
    "DATETIME_TRUNC(<datetime_column>, DAY/HOUR/MONTH/YEAR), a DATE column, "
    "TIMESTAMP_TRUNC(<timestamp_column>, DAY/HOUR/MONTH/YEAR), "
    "DATE_TRUNC(<date_column>, MONTH/YEAR), or "
    "RANGE_BUCKET(<int64_column>, GENERATE_ARRAY(<int64_value>, <int64_value>[, <int64_value>]))"
)


def check_layout(statement: resolved_ast_pb2.AnyResolvedStatementProto) -> None:
    """Raise StatementRefusedError for a layout that BigQuery does not have."""
    created = statement.resolved_create_statement_node.resolved_create_table_stmt_base_node
    kind = created.WhichOneof("node")
    if kind not in CREATED:
        return
    table = getattr(created, kind)
    if len(table.partition_by_list) > 1:
        raise StatementRefusedError("Only a single PARTITION BY expression is supported")
    if not all(map(is_partitioning, table.partition_by_list)):
        raise StatementRefusedError(PARTITIONING)
    if len(table.cluster_by_list) > MOST_CLUSTERING_COLUMNS:
        raise StatementRefusedError(
            f"Only {MOST_CLUSTERING_COLUMNS} clustering columns are supported"
        )
    for column in table.cluster_by_list:
        if type_of_column(column) not in CLUSTERING_TYPES:
            raise StatementRefusedError(
                "CLUSTER BY expression must be a top-level column of a clusterable type"
            )


def is_partitioning(expression: resolved_ast_pb2.AnyResolvedExprProto) -> bool:
    """Return whether BigQuery partitions a table by this expression."""
    if expression.WhichOneof("node") == "resolved_column_ref_node":
        return type_of_column(expression) == "DATE"
    call = expression.resolved_function_call_base_node.resolved_function_call_node.parent
    name = call.function.name.rpartition(":")[2]
    column = type_of_column(call.argument_list[0]) if call.argument_list else None
    if name == "date":
        return column in ("TIMESTAMP", "DATETIME")
    if name == "range_bucket":
        return column == "INT64"
    return name in TRUNCATIONS and column == name.partition("_")[0].upper()


def type_of_column(expression: resolved_ast_pb2.AnyResolvedExprProto) -> str | None:
    """Return the type of a column; None for anything else."""
    if expression.WhichOneof("node") != "resolved_column_ref_node":
        return None
    kind = expression.resolved_column_ref_node.column.type.type_kind
    names = type_pb2.DESCRIPTOR.enum_types_by_name["TypeKind"].values_by_number
    return str(names[kind].name).removeprefix("TYPE_")
