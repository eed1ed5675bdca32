"""The pages and the parts that are made for them."""

from collections.abc import Callable
from pathlib import Path

from credix.core.settings import PROJECT_DIR
from docs.generator.commands_part import commands_part
from docs.generator.dictionary_part import contracts_part, models_part
from docs.generator.markdown import fill
from docs.generator.run_part import run_part
from docs.generator.settings_part import settings_part

DOCS = PROJECT_DIR / "docs"
PARTS: dict[str, Callable[[], str]] = {
    "commands": commands_part,
    "contracts": contracts_part,
    "models": models_part,
    "run": run_part,
    "settings": settings_part,
}


def find_stale() -> dict[Path, str]:
    """Pages that are not as the code has them, with the text they should have."""
    texts = {path: path.read_text("utf-8") for path in sorted(DOCS.rglob("*.md"))}
    made = {path: fill(text, PARTS) for path, text in texts.items()}
    return {path: text for path, text in made.items() if text != texts[path]}
