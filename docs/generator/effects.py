"""Which side effects a function can come to: its source and that of what it calls, read as text.

Calls are followed by name. A method is looked for in every class that the caller may know, so that
what is found may be more than what happens; a test holds it against what a whole run has done.
"""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from credix.core.settings import PROJECT_DIR

PACKAGE = PROJECT_DIR / "lib" / "credix"
# Where effects are named, from the bottom up; what they call elsewhere reads, or works on values.
# A notebook's module of the workbook never calls the pipeline, which starts the notebook.
PACKAGES = ("clients", "state", "capture", "warehouse", "report", "workbook", "pipeline")
KINDS = (
    *("source", "lake", "warehouse", "bronze", "gold", "state", "layer"),
    *("archive", "catalog", "dbt", "elementary", "monitor", "report"),
    *("history", "alert", "lineage"),
)
EFFECT = re.compile(r"f?'\{?(?P<kind>[a-z]+)\}?\.(?P<verb>(?!json|ipynb)[a-z_]+)'")
# A function and the module it stands in.
Place = tuple[str, ast.FunctionDef]


@dataclass
class Module:
    """The functions of a module by name, methods too, and what it imports under which name."""

    functions: dict[str, list[ast.FunctionDef]] = field(default_factory=dict)
    methods: dict[str, list[ast.FunctionDef]] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)

    def every(self) -> list[list[ast.FunctionDef]]:
        return [*self.functions.values(), *self.methods.values()]


def effects_of(functions: Iterable[str]) -> list[str]:
    """The effects that these functions can come to, named in full with their modules."""
    found: set[str] = set()
    seen: set[int] = set()
    waiting = [place for name in functions for place in find(name)]
    while waiting:
        module, node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        found.update(named_in(node))
        waiting.extend(called_by(module, node))
    return in_order(found)


def effects_in(*names: str) -> list[str]:
    """The effects that these modules of `credix.pipeline` name themselves."""
    found = [modules()[f"credix.pipeline.{name}"] for name in names]
    nodes = [node for module in found for listed in module.every() for node in listed]
    return in_order({effect for node in nodes for effect in named_in(node)})


def in_order(effects: set[str]) -> list[str]:
    """By what they touch. Raises ValueError for one of a kind that `KINDS` lacks."""
    return sorted(effects, key=lambda effect: (KINDS.index(effect.partition(".")[0]), effect))


@cache
def named_in(function: ast.FunctionDef) -> frozenset[str]:
    """Arguments that name an effect; `{layer}.build` is written as `layer.build`."""
    arguments = (
        ast.unparse(argument)
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        for argument in node.args
        if isinstance(argument, ast.JoinedStr | ast.Constant)
    )
    found = filter(None, map(EFFECT.fullmatch, arguments))
    return frozenset(f"{match['kind']}.{match['verb']}" for match in found)


@cache
def called_by(module: str, function: ast.FunctionDef) -> tuple[Place, ...]:
    here, nodes = modules()[module], list(ast.walk(function))
    local = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    imports = {**here.imports, **local}
    called: list[Place] = []
    for node in nodes:
        # A function is also handed over without a call: to a retry, a context, a partial.
        if isinstance(node, ast.Name) and node.id in imports:
            called += find(imports[node.id])
        elif isinstance(node, ast.Name):
            called += [(module, found) for found in here.functions.get(node.id, [])]
        elif isinstance(node, ast.Attribute):
            called += find_attribute(module, node, imports)
    return tuple(called)


def find_attribute(caller: str, node: ast.Attribute, imports: dict[str, str]) -> list[Place]:
    """A function of a module, or a method of that name in any package that the caller may know."""
    if isinstance(node.value, ast.Name) and imports.get(node.value.id) in modules():
        return find(f"{imports[node.value.id]}.{node.attr}")
    layer = layer_of(caller)
    return [place for place in methods().get(node.attr, []) if layer_of(place[0]) <= layer]


def layer_of(module: str) -> int:
    return PACKAGES.index(module.split(".")[1])


@cache
def methods() -> dict[str, list[Place]]:
    """The methods of all modules by name."""
    found: dict[str, list[Place]] = {}
    for name, module in modules().items():
        for method, nodes in module.methods.items():
            found.setdefault(method, []).extend((name, node) for node in nodes)
    return found


def find(name: str) -> list[Place]:
    """A function by its dotted name, also where a module only passes it on; of a class all."""
    module, _, function = name.rpartition(".")
    known = modules().get(module)
    if known is None:
        return []
    if function not in known.functions and function in known.imports:
        return find(known.imports[function])
    return [(module, node) for node in known.functions.get(function, [])]


@cache
def modules() -> dict[str, Module]:
    return {
        name_of(path): read_module(path)
        for package in PACKAGES
        for path in sorted((PACKAGE / package).rglob("*.py"))
    }


def name_of(path: Path) -> str:
    return ".".join(["credix", *path.relative_to(PACKAGE).with_suffix("").parts])


def read_module(path: Path) -> Module:
    module = Module()
    tree = ast.parse(path.read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            module.functions[node.name] = [node]
        elif isinstance(node, ast.ClassDef):
            methods = [inner for inner in node.body if isinstance(inner, ast.FunctionDef)]
            module.functions[node.name] = [m for m in methods if m.name.startswith("__")]
            for method in methods:
                module.methods.setdefault(method.name, []).append(method)
    for found in ast.walk(tree):
        if isinstance(found, ast.ImportFrom):
            for alias in found.names:
                module.imports[alias.asname or alias.name] = f"{found.module}.{alias.name}"
    return module
