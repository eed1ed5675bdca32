"""The documents say what is there."""

import re
from pathlib import Path

import pytest

from credix.cli import commands
from credix.settings import PROJECT_DIR, Settings
from credix.state import SourceState

DOCUMENTS = [PROJECT_DIR / "README.md", *sorted((PROJECT_DIR / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
NAMED_FILE = re.compile(r"`((?:docs|lib|dbt|notebooks|tests|docker|terraform)/[\w./-]*)`")


def text_of_all() -> str:
    return "\n".join(document.read_text("utf-8") for document in DOCUMENTS)


def test_every_setting_is_documented_with_its_variable() -> None:
    text = (PROJECT_DIR / "docs" / "settings.md").read_text("utf-8")
    variables = {str(field.alias) for field in Settings.model_fields.values()}
    assert variables - set(re.findall(r"`([A-Z_]+)`", text)) == set()


def test_everything_that_the_state_of_a_source_holds_is_named() -> None:
    text = (PROJECT_DIR / "docs" / "how-a-run-works.md").read_text("utf-8")
    [told] = re.findall(r"The state of a source holds (.+?)\.\n\n", text, re.DOTALL)
    fields = set(SourceState.model_fields) - {"format", "source"}
    assert set(re.findall(r"`(\w+)`", told)) == fields


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
