"""The pages and the parts that are made for them."""

from collections.abc import Callable
from pathlib import Path

from credix.core.settings import PROJECT_DIR
from docs.generator.bank_holidays import seed_text
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


# Files that are made as a whole.
FILES: dict[Path, Callable[[], str]] = {
    PROJECT_DIR / "dbt/business_case/seeds/silver/bank_holidays.csv": seed_text,
}


def find_stale() -> dict[Path, str]:
    """Pages and files that are not as the code has them, with the text they should have."""
    texts = {path: path.read_text("utf-8") for path in sorted(DOCS.rglob("*.md"))}
    made = {path: fill(text, PARTS) for path, text in texts.items()}
    made |= {path: make() for path, make in FILES.items()}
    texts |= {path: path.read_text("utf-8") for path in FILES if path.exists()}
    return {path: text for path, text in made.items() if text != texts.get(path)}
