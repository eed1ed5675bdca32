"""The rules of the package: which way imports run, what notebooks hold, what git never holds."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import nbformat
import pytest

from credix.core import errors
from credix.core.settings import PROJECT_DIR

PACKAGE = PROJECT_DIR / "lib" / "credix"
MODULES = sorted(PACKAGE.rglob("*.py"))
NOTEBOOKS = sorted((PROJECT_DIR / "notebooks").glob("*.ipynb"))
# 01 to 05; the others are for people alone.
STEPS = [path for path in NOTEBOOKS if path.stem[:2] in {"01", "02", "03", "04", "05"}]
LONGEST_CELL = 15
# From the bottom up: a package imports those before it. `workbook` and `cli` are both surfaces.
LAYERS = (
    ("core",),
    ("clients",),
    ("state",),
    ("capture",),
    ("warehouse",),
    ("report",),
    ("pipeline",),
    ("operations",),
    ("workbook", "cli"),
)
MOST_AT_THE_TOP = 12
# The loader is a command of its own: it runs in a container that has only POSTGRES_* set.
READERS_OF_THE_ENVIRONMENT = {"credix.core.settings", "credix.operations.loading.loader"}
# What is replicated is data. The code that knows these names is about the demo's gold or its data.
SOURCES = re.compile("cnpj_ws|installments")
KNOWS_THE_SOURCES = {
    "credix.report.portfolio": "the figures of gold, whose models are in dbt/",
    "credix.operations.environment": "the sizes of the demo data that `seed` makes",
    "credix.cli.stack": "the options of `seed`",
}
# The clients read what servers and libraries answer; everybody else gets values from them.
ANYTHING = re.compile(r"\b(?:dict|Mapping)\[str, Any\]")
OF_OTHER_SOFTWARE = {
    "credix.core.progress.find_line": "a message of a kernel",
    "credix.core.results.read_earlier": "a step result in any form of an earlier release",
    "credix.operations.lab.forget_outputs": "JupyterLab calls it with a notebook's model",
    "credix.pipeline.notebooks.execute.ListeningClient.process_message": "nbclient calls it",
}
# Spelt in two halves, so that this file does not hold what it looks for.
MUTED = re.compile("no" + "qa|type: ?" + "ignore|pylint: ?" + "disable|fmt: ?" + "off")
MACHINE_PATH = re.compile(r"(?<![\w.$}>/-])/(?:home|root|Users|work" + r"|mnt)/[\w.-]+")


def name_of(module: Path) -> str:
    """The dotted name of a module, that of the package for its `__init__`."""
    parts = ["credix", *module.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(module) for module in MODULES}


def imports_of(module: Path) -> Iterator[str]:
    """Modules of the package that a module imports, at its top or within a function.

    What is imported for the type checker alone is left out: it never runs.
    """
    tree = ast.parse(module.read_text("utf-8"))
    unwanted = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in unwanted:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in NAMES)
        elif isinstance(node, ast.ImportFrom) and node.module in NAMES:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in NAMES else node.module for name in inner)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: relative imports hide where an arrow leads"


def public_annotations(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The annotations of public functions, methods and fields, by the name of what has them."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    bodies = [("", tree.body), *((f"{node.name}.", node.body) for node in classes)]
    for name, body in bodies:
        for node in body:
            if isinstance(node, ast.AnnAssign) and name and isinstance(node.target, ast.Name):
                yield f"{name}{node.target.id}", node.annotation
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                annotations = [argument.annotation for argument in given]
                for annotation in [*annotations, node.returns]:
                    if annotation is not None:
                        yield f"{name}{node.name}", annotation


def package_of(name: str) -> str:
    return name.split(".")[1]


def lies_in(name: str, rooms: tuple[str, ...]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def cells_of(notebook: Path) -> list[Any]:
    found: list[Any] = nbformat.read(notebook, as_version=4).cells
    return found


def tracked_texts() -> list[tuple[Path, str]]:
    """Every text file that git holds, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT_DIR, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    texts = []
    for name in listed.stdout.split("\0"):
        path = PROJECT_DIR / name
        if name and path.is_file() and b"\0" not in (content := path.read_bytes()):
            texts.append((path, content.decode("utf-8")))
    return texts


class TestModules:
    def test_no_arrows_run_in_a_circle(self) -> None:
        graph = {name_of(module): set(imports_of(module)) for module in MODULES}
        order = list(TopologicalSorter(graph).static_order())
        assert set(order) >= NAMES

    def test_no_package_imports_one_above_it(self) -> None:
        """Every folder has its place, so that a new file or a new package cannot escape."""
        heights = {name: height for height, names in enumerate(LAYERS) for name in names}
        offenders = [
            f"{name_of(module)} imports {name}"
            for module in MODULES
            for name in imports_of(module)
            if name != "credix"
            if (there := package_of(name)) != (here := package_of(name_of(module)))
            and heights[there] >= heights[here]
        ]
        assert offenders == []

    def test_the_top_of_the_package_can_be_read_at_a_glance(self) -> None:
        top = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
        assert len(top - {"__init__.py"}) <= MOST_AT_THE_TOP

    def test_what_is_replicated_is_data(self) -> None:
        """Examples of the help are left out: people paste them."""
        found = set()
        for module in MODULES:
            text = module.read_text("utf-8")
            pasted = {
                line
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "examples"
                for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
            }
            for number, line in enumerate(text.splitlines(), 1):
                if SOURCES.search(line) and number not in pasted:
                    found.add(name_of(module))
        assert found == set(KNOWS_THE_SOURCES)

    def test_one_module_alone_starts_the_embedded_servers(self) -> None:
        users = {
            name_of(module)
            for module in MODULES
            if re.search(r"(?m)^\s*(from|import) credix_local\b", module.read_text("utf-8"))
        }
        assert users == {"credix.operations.environment"}

    def test_settings_come_from_one_place(self) -> None:
        """What starts a child or a library may write to the environment; few may read it."""
        reading = re.compile(r"os\.getenv|os\.environ(\[[^\]]*\](?! *=[^=])|\.get\()")
        readers = {
            name_of(module) for module in MODULES if reading.search(module.read_text("utf-8"))
        }
        assert readers <= READERS_OF_THE_ENVIRONMENT

    def test_every_one_says_what_it_is_for(self) -> None:
        silent = [
            name_of(module)
            for module in MODULES
            if not ast.get_docstring(ast.parse(module.read_text("utf-8")))
        ]
        assert silent == []

    def test_importing_the_ground_is_quick_and_has_no_effect(self) -> None:
        """Neither Google's libraries nor dbt nor the servers are needed to read settings."""
        code = (
            "import sys, credix.core.settings, credix.core.contracts, credix.state.states\n"
            "heavy = ('google.cloud.', 'dbt', 'bqemulator', 'psycopg2')\n"
            "print([name for name in sys.modules if name.startswith(heavy)])"
        )
        ended = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert ended.stdout.strip() == "[]"


class TestValues:
    def test_no_function_takes_or_returns_a_dictionary_of_anything(self) -> None:
        """What one package hands to another is a value whose fields have names and types."""
        found = {
            f"{name_of(module)}.{name}"
            for module in MODULES
            if package_of(f"{name_of(module)}.") != "clients"
            for name, annotation in public_annotations(ast.parse(module.read_text("utf-8")))
            if ANYTHING.search(ast.unparse(annotation))
        }
        assert found == set(OF_OTHER_SOFTWARE)


class TestErrors:
    def test_every_class_says_what_the_caller_can_do(self) -> None:
        classes = [
            kind
            for _, kind in inspect.getmembers(errors, inspect.isclass)
            if kind.__module__ == errors.__name__
        ]
        assert len(classes) > 5
        for kind in classes:
            assert issubclass(kind, errors.CredixError)
            assert "__doc__" in vars(kind), kind
            assert vars(kind)["__doc__"], kind

    def test_exit_codes_tell_failure_from_usage_from_waiting(self) -> None:
        codes = (errors.CredixError, errors.DataError, errors.SettingsError, errors.BusyError)
        assert [kind.exit_code for kind in codes] == [1, 1, 2, 3]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebooks:
    def test_it_begins_with_its_title(self, notebook: Path) -> None:
        first = cells_of(notebook)[0]
        assert first.cell_type == "markdown"
        name = notebook.stem[:2] if notebook.stem[0].isdigit() else notebook.stem.capitalize()
        assert first.source.startswith(f"# {name} · ")

    def test_no_cell_is_too_long_to_be_read(self, notebook: Path) -> None:
        for cell in cells_of(notebook):
            if cell.cell_type == "code":
                assert len(cell.source.splitlines()) <= LONGEST_CELL, cell.source

    def test_it_holds_no_outputs_and_no_counts(self, notebook: Path) -> None:
        for cell in cells_of(notebook):
            if cell.cell_type == "code":
                assert (cell.outputs, cell.execution_count) == ([], None)
                assert "execution" not in cell.metadata

    def test_its_parameters_are_typed_and_explained(self, notebook: Path) -> None:
        tagged = [c for c in cells_of(notebook) if "parameters" in c.metadata.get("tags", [])]
        assert len(tagged) == 1
        for line in tagged[0].source.splitlines():
            assert re.fullmatch(r"[a-z_]+: [a-z]+(\[.*?\])? = .+  # .+", line), line

    def test_it_imports_the_workbook_and_nothing_else_of_the_package(self, notebook: Path) -> None:
        code = "\n".join(c.source for c in cells_of(notebook) if c.cell_type == "code")
        nodes = list(ast.walk(ast.parse(code)))
        named = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        named += [a.name for node in nodes if isinstance(node, ast.Import) for a in node.names]
        own = {name for name in named if name.partition(".")[0].startswith("credix")}
        assert own == {"credix.workbook"}

    def test_every_line_fits_the_page(self, notebook: Path) -> None:
        """A reader sees about this many characters of code without scrolling."""
        code = [c.source for c in cells_of(notebook) if c.cell_type == "code"]
        assert max(len(line) for source in code for line in source.splitlines()) <= 120


@pytest.mark.parametrize("notebook", STEPS, ids=lambda path: path.stem)
def test_a_cell_of_a_step_only_calls_the_workbook(notebook: Path) -> None:
    """No branch, no loop, and nothing of a library: what a cell does is in one documented place."""
    for cell in cells_of(notebook):
        if cell.cell_type != "code":
            continue
        for statement in ast.parse(cell.source).body:
            assert isinstance(statement, ast.ImportFrom | ast.Assign | ast.AnnAssign | ast.Expr)
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call):
                assert isinstance(node.func, ast.Attribute), ast.unparse(node)
            assert not isinstance(node, ast.IfExp | ast.BoolOp | ast.comprehension)


def test_a_run_has_five_notebooks_and_people_two_more() -> None:
    assert [notebook.stem[:2] for notebook in STEPS] == ["01", "02", "03", "04", "05"]
    assert {path.stem for path in NOTEBOOKS} - {path.stem for path in STEPS} == {
        "00_start_here",
        "explore",
    }


class TestFiles:
    def test_none_names_a_folder_of_somebodys_machine(self) -> None:
        found = [
            f"{path.relative_to(PROJECT_DIR)}: {match.group()}"
            for path, text in tracked_texts()
            for match in MACHINE_PATH.finditer(text)
        ]
        assert found == []

    def test_none_mutes_a_rule(self) -> None:
        found = [
            f"{path.relative_to(PROJECT_DIR)}:{number}"
            for path, text in tracked_texts()
            for number, line in enumerate(text.splitlines(), 1)
            if MUTED.search(line)
        ]
        assert found == []
