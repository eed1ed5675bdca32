"""The documents say what is there, all of it, and their links lead somewhere."""

import inspect
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from docs.generator.dictionary_part import DBT, MEASURED, unit_of
from docs.generator.markdown import fill
from docs.generator.pages import DOCS, PARTS, find_stale

from credix.cli.help import EXIT_CODES
from credix.cli.main import commands
from credix.core import errors
from credix.core.jobs import all_jobs
from credix.core.settings import PROJECT_DIR, Settings
from credix.state.incidents import Kind
from credix.state.states import FencedState, GoldState, SourceState

README = PROJECT_DIR / "README.md"
# JupyterLab keeps copies in hidden folders.
PAGES = [README, *(page for page in sorted(DOCS.rglob("*.md")) if page.parts[-2][0] != ".")]
OTHERS = ("CHANGELOG.md", "CONTRIBUTING.md", "terraform/README.md")
DOCUMENTS = [*PAGES, *(PROJECT_DIR / name for name in OTHERS)]
NOTEBOOKS = sorted((PROJECT_DIR / "notebooks").glob("*.ipynb"))
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)#?([^)\s]*)\)")
NAMED_FILE = re.compile(r"`((?:docs|lib|dbt|notebooks|tests|docker|terraform|bench)/[\w./-]*)`")
BLOCK = re.compile(r"```.*?```", re.DOTALL)
TYPED = re.compile(r"\./run_pipeline\.py ((?!COMMAND|--help)[^`\n]+)")
TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)
# Counts, positions and years are numbers without a unit.
UNCOUNTED = re.compile(
    r"^(Valid|Position|Number|Year|Quarter|Month|Fenc(?:e|ing) token|hash)|_hash$"
)


def read(name: str) -> str:
    [page] = DOCS.rglob(f"{name}.md")
    return page.read_text("utf-8")


def anchors_of(page: Path) -> set[str]:
    """What a link into the page may name, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text("utf-8")), re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {word.replace(" ", "-") for word in words}


def first_cells(text: str) -> set[str]:
    """What stands in backquotes in the first cell of each line of a table."""
    return {
        word for cell in re.findall(r"^\| (.*?) \|", text, re.MULTILINE) for word in quoted(cell)
    }


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_what_is_made_of_the_code_is_current() -> None:
    assert sorted(path.name for path in find_stale()) == [], "make docs"


def test_every_part_that_is_made_has_its_page_and_is_filled() -> None:
    text = "".join(page.read_text("utf-8") for page in DOCS.rglob("*.md"))
    assert set(re.findall(r"made by make docs: (\w+)", text)) == set(PARTS)
    made = fill("<!-- made by make docs: one -->\nold\n<!-- end of one -->", {"one": lambda: "new"})
    assert made == "<!-- made by make docs: one -->\n\nnew\n\n<!-- end of one -->"


def test_every_setting_is_documented_with_its_variable() -> None:
    variables = {str(field.alias) for field in Settings.model_fields.values()}
    assert first_cells(read("settings")) == variables
    silent = [name for name, field in Settings.model_fields.items() if not field.description]
    assert silent == []


@pytest.mark.parametrize("command", sorted(commands.commands))
def test_every_command_is_documented_with_all_its_options(command: str) -> None:
    [section] = re.findall(
        rf"^### {command}\n(.*?)(?=^##|\Z)", read("commands"), re.MULTILINE | re.DOTALL
    )
    for parameter in commands.commands[command].params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in section


def test_exit_codes_are_told_alike_everywhere() -> None:
    told = re.findall(r"^\| (\d) \| (.+) \|$", read("commands"), re.MULTILINE)
    assert [(code, text.replace("`", "")) for code, text in told] == list(EXIT_CODES)


def test_every_model_is_in_the_dictionary() -> None:
    headings = set(re.findall(r"^### (\w+)$", read("data-dictionary"), re.MULTILINE))
    assert {path.stem for path in (DBT / "models").rglob("*.sql")} <= headings


def test_every_number_of_a_model_names_its_unit() -> None:
    columns = [
        (model["name"], column)
        for path in (DBT / "models").rglob("*.yml")
        for model in yaml.safe_load(path.read_text("utf-8"))["models"]
        for column in model["columns"]
    ]
    without = [
        f"{model}.{column['name']}"
        for model, column in columns
        if column["data_type"] in MEASURED
        and not unit_of(column["data_type"], column["description"])
        and not UNCOUNTED.search(column["description"])
        and not UNCOUNTED.search(column["name"])
    ]
    assert without == []


def test_every_error_is_in_the_troubleshooting_page() -> None:
    kinds = inspect.getmembers(errors, inspect.isclass)
    own = {name for name, kind in kinds if kind.__module__ == errors.__name__}
    section = read("troubleshoot").partition("## Errors")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d) \|", section, re.MULTILINE))
    assert set(rows) == own - {"CredixError"}
    assert {name: int(code) for name, code in rows.items()} == {
        name: getattr(errors, name).exit_code for name in rows
    }


def test_every_incident_is_in_the_troubleshooting_page() -> None:
    section = read("troubleshoot").partition("## Alerts")[2].partition("\n## ")[0]
    assert {name.split()[0] for name in first_cells(section)} == set(Kind)


@pytest.mark.parametrize(
    ("words", "state", "other"),
    [("a source", SourceState, set()), ("gold", GoldState, {"_seq"})],
)
def test_everything_that_a_state_holds_is_named(
    words: str, state: type[FencedState], other: set[str]
) -> None:
    [told] = re.findall(
        rf"The state of {words} holds (.+?)\.\n\n", read("how-a-run-works"), re.DOTALL
    )
    fields = set(state.model_fields) - {"format", "source"}
    assert set(quoted(told)) - other == fields


@pytest.mark.parametrize("document", [*DOCUMENTS, *NOTEBOOKS], ids=lambda path: path.name)
def test_every_link_and_every_file_that_a_document_names_is_there(document: Path) -> None:
    text = markdown_of(document)
    dead = []
    for name, anchor in LINK.findall(BLOCK.sub("", text)):
        target = document.parent / name if name else document
        is_page = target.suffix == ".md" and target.exists()
        if not target.exists() or (anchor and is_page and anchor not in anchors_of(target)):
            dead.append(f"{name}#{anchor}")
    dead += [name for name in NAMED_FILE.findall(text) if not (PROJECT_DIR / name).exists()]
    assert dead == []


def markdown_of(document: Path) -> str:
    text = document.read_text("utf-8")
    if document.suffix == ".md":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def test_every_page_that_the_code_sends_one_to_is_there() -> None:
    code = "".join(path.read_text("utf-8") for path in (PROJECT_DIR / "lib").rglob("*.py"))
    named = set(re.findall(r"docs/[\w/-]+\.md", code))
    assert named
    assert [name for name in named if not (PROJECT_DIR / name).exists()] == []


def test_every_difference_to_google_names_the_test_that_would_prove_it_there() -> None:
    sections = re.findall(
        r"^## (?:BigQuery|Cloud Storage)\n(.*?)(?=^## )", read("fidelity"), re.DOTALL | re.MULTILINE
    )
    rows = [line for section in sections for line in section.splitlines() if line[:2] == "| "]
    named = [quoted(row.split("|")[-2]) for row in rows if not row.startswith("| matter ")]
    files = (PROJECT_DIR / "tests" / "cloud").glob("test_*.py")
    tests = {name for file in files for name in TEST.findall(file.read_text("utf-8"))}
    assert len(named) > 20
    assert [names for names in named if len(names) != 1 or names[0] not in tests] == []


def test_every_page_is_found_from_the_readme() -> None:
    """By a link or by its name, from page to page."""
    reached, waiting = set(), [README]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        text = page.read_text("utf-8")
        waiting += [(page.parent / name).resolve() for name, _ in LINK.findall(text) if name]
        waiting += [PROJECT_DIR / name for name in NAMED_FILE.findall(text)]
        named = set(NAMED_FILE.findall(text)) - {"docs/"}
        folders = [PROJECT_DIR / name for name in named if name.endswith("/")]
        waiting += [found for folder in folders for found in folder.glob("*.md")]
    assert [str(page.relative_to(PROJECT_DIR)) for page in PAGES if page not in reached] == []


def words_of(line: str) -> Iterator[str]:
    """The words of the command, up to where the shell or a comment goes on."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    for word in lexer:
        if word[0] in "();<>|&":
            return
        yield word


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_line_that_a_document_has_one_type_is_a_command_with_its_options(
    document: Path,
) -> None:
    for line in TYPED.findall(document.read_text("utf-8")):
        words = list(words_of(re.sub(r"[][…]", "", line)))
        is_run = not words or words[0] in all_jobs()
        name, *arguments = ["run", *words] if is_run else words
        command = commands.commands.get(name)
        assert command, line
        # Only whether the options are known: a page may write JOB or D for a value.
        with click.Context(command) as context:
            command.make_parser(context).parse_args(arguments)


@pytest.mark.parametrize("record", sorted((DOCS / "decisions").glob("*.md")), ids=lambda p: p.stem)
def test_every_decision_record_has_its_number_and_headings(record: Path) -> None:
    text = record.read_text("utf-8")
    assert text.startswith(f"# {int(record.stem[:4])}. ")
    found = re.findall(r"^## (.+)$", text, re.MULTILINE)
    wanted = ["Status", "Context", "Decision", "Consequences"]
    assert [heading for heading in found if heading in wanted] == wanted


def test_the_readme_is_read_at_one_sitting() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 115
