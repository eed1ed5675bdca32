"""The import that is skipped: jsonschema still has it, and does without it."""

import subprocess
import sys

SCRIPT = """
import sys
from credix.core.quick_imports import URI_GRAMMAR, skip_uri_grammar

skip_uri_grammar() if sys.argv[1] == "skipped" else None
import jsonschema

checker = jsonschema.FormatChecker()
jsonschema.validate("2026-03-31", {"type": "string", "format": "date"}, format_checker=checker)
is_imported = sys.modules.get(URI_GRAMMAR) is not None
print(is_imported, "iri" in checker.checkers, "date" in checker.checkers)
"""


def formats(word: str) -> str:
    command = [sys.executable, "-c", SCRIPT, word]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_jsonschema_does_without_the_grammar_and_keeps_its_other_formats() -> None:
    assert formats("skipped") == "False False True"


def test_without_that_each_process_would_import_it() -> None:
    """When this fails, jsonschema imports it later or not at all: `quick_imports` can go."""
    assert formats("as it is") == "True True True"
