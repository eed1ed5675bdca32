"""Tables and types as GoogleSQL takes them, from schemas as BigQuery's REST API has them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zetasql.wasi._pb2.zetasql.proto import options_pb2, simple_catalog_pb2
from zetasql.wasi._pb2.zetasql.public import simple_table_pb2, type_pb2, value_pb2

# Names of types in REST schemas and in SQL where GoogleSQL's own differ.
KINDS = {
    "INTEGER": "INT64",
    "FLOAT": "DOUBLE",
    "FLOAT64": "DOUBLE",
    "BOOLEAN": "BOOL",
    "DECIMAL": "NUMERIC",
    "BIGDECIMAL": "BIGNUMERIC",
}
SCALARS = {
    "BIGNUMERIC",
    "BOOL",
    "BYTES",
    "DATE",
    "DATETIME",
    "DOUBLE",
    "GEOGRAPHY",
    "INT64",
    "INTERVAL",
    "JSON",
    "NUMERIC",
    "STRING",
    "TIME",
    "TIMESTAMP",
}
# BigQuery reference, "Data types": aliases of INT64 that GoogleSQL's catalog does not have.
INTEGERS = ("BIGINT", "BYTEINT", "INT", "INTEGER", "SMALLINT", "TINYINT")
STRUCTS = {"RECORD", "STRUCT"}


@dataclass(frozen=True)
class Field:
    """A column or a field of a struct; `type` and `mode` are those of the REST schema."""

    name: str
    type: str
    mode: str = "NULLABLE"
    fields: tuple["Field", ...] = ()
    is_pseudo: bool = False


@dataclass(frozen=True)
class Table:
    """A table or view by its path: project, dataset, table."""

    path: tuple[str, ...]
    fields: tuple[Field, ...]


def scalar_type(name: str) -> type_pb2.TypeProto:
    """Return a type without parts, by its name in SQL or REST.

    Raises ValueError for no such type.
    """
    kind = KINDS.get(name.upper(), name.upper())
    if kind not in SCALARS:
        raise ValueError(f"GoogleSQL has no type {name}")
    return type_pb2.TypeProto(type_kind=getattr(type_pb2, f"TYPE_{kind}"))


def array_type(element: type_pb2.TypeProto) -> type_pb2.TypeProto:
    made = type_pb2.TypeProto(type_kind=type_pb2.TYPE_ARRAY)
    made.array_type.element_type.CopyFrom(element)
    return made


def struct_type(fields: Iterable[tuple[str, type_pb2.TypeProto]]) -> type_pb2.TypeProto:
    made = type_pb2.TypeProto(type_kind=type_pb2.TYPE_STRUCT)
    made.struct_type.SetInParent()
    for name, kind in fields:
        made.struct_type.field.add(field_name=name, field_type=kind)
    return made


def field_type(field: Field) -> type_pb2.TypeProto:
    """Return the type of a column; raises ValueError for one that GoogleSQL does not have."""
    if field.type.upper() in STRUCTS:
        made = struct_type((inner.name, field_type(inner)) for inner in field.fields)
    else:
        made = scalar_type(field.type)
    return array_type(made) if field.mode == "REPEATED" else made


def table_message(table: Table, name: str) -> simple_table_pb2.SimpleTableProto:
    made = simple_table_pb2.SimpleTableProto(name=name, full_name=".".join(table.path))
    for field in table.fields:
        made.column.add(
            name=field.name,
            type=field_type(field),
            is_pseudo_column=field.is_pseudo,
            is_writable_column=not field.is_pseudo,
        )
    return made


def catalog_message(
    tables: Mapping[Table, Iterable[tuple[str, ...]]],
    variables: Iterable[Field],
    language: options_pb2.LanguageOptionsProto,
) -> simple_catalog_pb2.SimpleCatalogProto:
    """A catalog with BigQuery's functions, tables by their names, and variables of a script."""
    top = simple_catalog_pb2.SimpleCatalogProto(name="bigquery")
    top.builtin_function_options.language_options.CopyFrom(language)
    catalogs: dict[tuple[str, ...], simple_catalog_pb2.SimpleCatalogProto] = {(): top}
    added: set[tuple[str, ...]] = set()

    def catalog_of(path: tuple[str, ...]) -> simple_catalog_pb2.SimpleCatalogProto:
        if path not in catalogs:
            catalogs[path] = catalog_of(path[:-1]).catalog.add(name=path[-1])
        return catalogs[path]

    for alias in INTEGERS:
        top.named_type.add(name=alias, type=scalar_type("INT64"))
    for table, paths in tables.items():
        for path in paths:
            key = tuple(part.lower() for part in path)
            if key not in added:
                added.add(key)
                catalog_of(path[:-1]).table.append(table_message(table, path[-1]))
    for variable in variables:
        constant = top.constant.add(name_path=[variable.name], type=field_type(variable))
        constant.value.CopyFrom(value_pb2.ValueProto())
    return top
