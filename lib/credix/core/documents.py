"""Read YAML and JSON that people write; each fault is one sentence that names file and line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from credix.core.errors import SettingsError

Model = TypeVar("Model", bound=BaseModel)
Keys = tuple[str | int, ...]
# libyaml's where the wheel has it: ten times as fast.
LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Document:
    """A value of a file, and the line that each of its parts is on."""

    file: str
    value: Any
    lines: Mapping[Keys, int] = field(default_factory=dict)
    within: Keys = ()

    def part(self, key: str | int) -> "Document":
        return replace(self, value=self.value[key], within=(*self.within, key))

    def line(self, *keys: str | int) -> int | None:
        """Return the line of the part under these keys, or of the nearest one around it."""
        path = (*self.within, *keys)
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def error(self, fault: str, *keys: str | int) -> SettingsError:
        """Return an error about the part under these keys: `sources.yml, line 3: <fault>`."""
        line = self.line(*keys)
        return SettingsError(f"{self.file}{f', line {line}' if line else ''}: {fault}")

    def validate(self, model: type[Model], what: str) -> Model:
        """Return the value as this model; `what` names it in errors.

        The description of a field ends the sentence "<field> must be".

        Raises:
            SettingsError: The value does not fit; names the first setting at fault.
        """
        try:
            return model.model_validate(self.value)
        except ValidationError as error:
            faults = error.errors(include_url=False)
        # A setting that is misspelt is missing, too: its name says more.
        first = min(faults, key=lambda f: (f["type"] == "missing", self.line(*f["loc"]) or 0))
        raise self.error(f"{what}: {fault_of(first, model)}.", *first["loc"])


def fault_of(fault: ErrorDetails, model: type[BaseModel]) -> str:
    """Return what is wrong and how it is right, without a full stop."""
    fields = {part.alias or name: part for name, part in model.model_fields.items()}
    kind, name = fault["type"], str(fault["loc"][0] if fault["loc"] else "")
    if kind in ("extra_forbidden", "invalid_key"):
        return f"there is no setting '{name}'; there are {', '.join(fields)}"
    if kind == "missing":
        return f"the setting '{name}' is missing: it must be {fields[name].description}"
    if kind == "value_error":
        return f"{name} is '{fault['input']}': {fault['ctx']['error']}"
    if name in fields:
        # YAML reads no, on and 007 as something else than texts.
        is_bare = kind == "string_type" and isinstance(fault["input"], bool | int | float)
        quotes = "; a text that looks like something else needs quotes" if is_bare else ""
        return f"{name} must be {fields[name].description}{quotes}"
    return f"write its settings below it, as {', '.join(list(fields)[:2])} and so on"


def read_document(path: Path, file: str) -> Document:
    """Return the content of a YAML or JSON file, which errors call `file`.

    Raises:
        SettingsError: It cannot be read, is not of that format, or holds a key twice.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise SettingsError(f"{file} cannot be read: {reason}.") from None
    return parse_document(text, file)


def parse_document(text: str, file: str) -> Document:
    """Return the same of a text; see `read_document`."""
    if file.endswith(".json"):
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            raise SettingsError(f"{file}, line {error.lineno}: {error.msg}.") from None
        # JSON is YAML but for tabs, which it allows between values alone.
        text = text.replace("\t", " ")
    loader = LOADER(text)
    try:
        root = loader.get_single_node()
        value = loader.construct_document(root) if root else None
    except yaml.YAMLError as error:
        raise syntax_error(error, file) from None
    finally:
        loader.dispose()
    lines: dict[Keys, int] = {}
    if root:
        collect_lines(root, (), lines, file)
    return Document(file, value, lines)


def syntax_error(error: yaml.YAMLError, file: str) -> SettingsError:
    mark, fault = None, str(error).splitlines()[0]
    if isinstance(error, yaml.MarkedYAMLError):
        # What is not closed is at fault where it begins; a block is wrong where it stops to be one.
        is_block = error.context is None or "block" in error.context
        mark = error.problem_mark if is_block else error.context_mark
        fault = error.problem or fault
    where = f"{file}, line {mark.line + 1}" if mark else file
    return SettingsError(
        f"{where}: {fault}. Write setting: value, lists as [a, b], and texts that hold one of "
        "* & # { [ or a colon in quotes."
    )


def collect_lines(node: yaml.Node, path: Keys, lines: dict[Keys, int], file: str) -> None:
    """Note the line of each value; raises SettingsError for a key that is there twice."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            collect_lines(item, (*path, position), lines, file)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, key.value)
            line = key.start_mark.line + 1
            if inner in lines:
                raise SettingsError(
                    f"{file}, line {line}: '{key.value}' is there twice, first in line "
                    f"{lines[inner]}: leave one out."
                )
            lines[inner] = line
            collect_lines(value, inner, lines, file)
