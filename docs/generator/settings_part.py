"""The tables of `docs/reference/settings.md`, of `Settings` and its groups."""

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from credix.core.settings import Settings
from docs.generator.markdown import code, table

UNITS = {"TiB": 1 << 40, "GiB": 1 << 30, "MiB": 1 << 20}


def settings_part() -> str:
    """A table for each group, in the order in which `Settings` names them."""
    pieces = []
    for group in Settings.__bases__:
        rows = [
            [code(field.alias), default(field), allowed(field), meaning(field)]
            for name, field in Settings.model_fields.items()
            if name in group.__annotations__
        ]
        title = str(group.__doc__).strip().rstrip(".")
        columns = ["variable", "default", "allowed", "meaning"]
        pieces.append(f"## {title}\n\n{table(columns, rows)}")
    return "\n\n".join(pieces)


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None:
        return "none"
    if isinstance(field.default, str | Path):
        return code(field.default)
    number = field.default
    sizes = [f" ({number // size} {unit})" for unit, size in UNITS.items() if number >= size]
    return f"{number}{sizes[0] if sizes and is_size(field) else ''}"


def is_size(field: FieldInfo) -> bool:
    return str(field.alias).endswith(("_BYTES", "_BYTES_BILLED"))


def allowed(field: FieldInfo) -> str:
    """What the value may be, beside what its default shows."""
    kinds = [field.annotation, *get_args(field.annotation)]
    choices = [kind for kind in kinds if get_origin(kind) is Literal]
    if choices:
        return ", ".join(code(choice) for choice in get_args(choices[0]))
    if any(isinstance(kind, type) and issubclass(kind, SecretStr) for kind in kinds):
        return "a secret"
    bounds: dict[type, Any] = {type(bound): bound for bound in field.metadata}
    if Ge in bounds and Le in bounds:
        return f"{bounds[Ge].ge} to {bounds[Le].le}"
    if Ge in bounds:
        return f"from {bounds[Ge].ge}"
    if Gt in bounds:
        return f"above {bounds[Gt].gt}"
    if MinLen in bounds:
        return "not empty"
    patterns = [bound.pattern for bound in field.metadata if getattr(bound, "pattern", None)]
    return code(patterns[0]) if patterns else ""


def meaning(field: FieldInfo) -> str:
    return field.description or ""
