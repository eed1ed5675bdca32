"""The documents say what is there."""

import re
from pathlib import Path

import pytest

from credix.cli import commands
from credix.settings import PROJECT_DIR, Settings
from credix.state import FencedState, GoldState, SourceState

DOCUMENTS = [PROJECT_DIR / "README.md", *sorted((PROJECT_DIR / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
NAMED_FILE = re.compile(r"`((?:docs|lib|dbt|notebooks|tests|docker|terraform)/[\w./-]*)`")


def text_of_all() -> str:
    return "\n".join(document.read_text("utf-8") for document in DOCUMENTS)


def test_every_setting_is_documented_with_its_variable() -> None:
    text = (PROJECT_DIR / "docs" / "settings.md").read_text("utf-8")
    variables = {str(field.alias) for field in Settings.model_fields.values()}
    assert variables - set(re.findall(r"`([A-Z_]+)`", text)) == set()


@pytest.mark.parametrize(
    ("words", "state", "other"),
    [("a source", SourceState, set()), ("gold", GoldState, {"_seq"})],
)
def test_everything_that_a_state_holds_is_named(
    words: str, state: type[FencedState], other: set[str]
) -> None:
    text = (PROJECT_DIR / "docs" / "how-a-run-works.md").read_text("utf-8")
    [told] = re.findall(rf"The state of {words} holds (.+?)\.\n\n", text, re.DOTALL)
    fields = set(state.model_fields) - {"format", "source"}
    assert set(re.findall(r"`(\w+)`", told)) - other == fields


@pytest.mark.parametrize("command", sorted(commands.commands))
def test_every_command_is_documented(command: str) -> None:
    changelog = (PROJECT_DIR / "CHANGELOG.md").read_text("utf-8")
    assert re.search(rf"(run_pipeline\.py |`){command}\b", text_of_all() + changelog)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_is_there(document: Path) -> None:
    text = document.read_text("utf-8")
    missing = [name for name in LINK.findall(text) if not (document.parent / name).exists()]
    missing += [name for name in NAMED_FILE.findall(text) if not (PROJECT_DIR / name).exists()]
    assert missing == []
