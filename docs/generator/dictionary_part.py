"""The data dictionary, of the source contracts and of dbt's descriptions."""

import re
from pathlib import Path
from typing import Any

import yaml

from credix.core.column_types import Column
from credix.core.contracts import Source, load_source, source_names, technical_columns
from credix.core.jobs import LAYERS
from credix.core.masking import personal_columns
from credix.core.settings import PROJECT_DIR
from docs.generator.markdown import code, table

DBT = PROJECT_DIR / "dbt" / "business_case"
MEASURED = {"numeric", "bignumeric", "float64", "float", "int64", "integer", "timestamp"}
# The first that the description names.
UNITS = {
    "cents of BRL": r"in cents of BRL",
    "BRL": r"\bBRL\b",
    "%": r"\b(?:in )?percent\b",
    "days": r"^(?:Average )?[Dd]ays\b",
    "points": r"\bpoints\b",
    "UTC": r"\(UTC\)",
}


def contracts_part() -> str:
    """Each source: its table and rules, its columns; then what every landing file has besides."""
    pieces = [describe_source(load_source(name)) for name in source_names()]
    rows = [[*column_cells(column), column.description] for column in technical_columns()]
    pieces.append("### Technical columns\n\nAfter the contract's own, in every landing file.")
    pieces.append(table(["column", "type", "null", "meaning"], rows))
    return "\n\n".join(pieces)


def describe_source(source: Source) -> str:
    facts = [
        ["table", code(source.table_in("oltp"))],
        ["key", names(source.key)],
        ["capture", code(source.capture)],
        ["cursor", names(source.cursor) or "none"],
        ["deletes", "become tombstones" if source.captures_deletes else "are not looked for"],
        ["a column that is not here", "stops the run" if source.drift == "fail" else "is reported"],
        ["left out on purpose", names(sorted(source.ignored)) or "none"],
    ]
    rows = [
        [
            *column_cells(column),
            "masked" if column.name in source.personal_data else "",
            unit_of(column.type, column.description),
            column.description,
        ]
        for column in source.columns
    ]
    return "\n\n".join(
        [
            f"### {source.name}",
            table(["contract", source.name], facts),
            table(["column", "type", "null", "personal data", "unit", "meaning"], rows),
        ]
    )


def column_cells(column: Column) -> list[str]:
    return [code(column.name), column.type, "never" if column.is_required else "may be"]


def names(columns: tuple[str, ...] | list[str]) -> str:
    return ", ".join(map(code, columns))


def models_part() -> str:
    """Bronze, silver and gold: grain, columns, tests."""
    pieces = []
    for layer in LAYERS:
        pieces.append(f"## {layer.capitalize()}")
        for path in sorted(DBT.glob(f"*/{layer}/*.yml"), key=lambda path: path.name):
            pieces.extend(describe_models(path))
    pieces.append(
        "## Claims about several tables\n\nA test each; the run fails where one is false."
    )
    claims = sorted((DBT / "tests").glob("*.sql"))
    pieces.append("\n".join(f"- {claim.stem.replace('_', ' ')}" for claim in claims))
    return "\n\n".join(pieces)


def describe_models(path: Path) -> list[str]:
    content = yaml.safe_load(path.read_text("utf-8"))
    units = [test["name"].replace("_", " ") for test in content.get("unit_tests", [])]
    pieces = []
    for model in content.get("models") or content["seeds"]:
        rows = [
            [
                code(column["name"]),
                column["data_type"],
                unit_of(column["data_type"], column["description"]),
                column["description"],
                "masked" if column["name"] in personal_columns() else "",
                tests_of(column),
            ]
            for column in model["columns"]
        ]
        pieces.append(f"### {model['name']}\n\n{' '.join(model['description'].split())}")
        pieces.append(table(["column", "type", "unit", "meaning", "personal data", "tests"], rows))
        found = [f"- {describe_test(test)}" for test in model.get("data_tests", [])]
        if found:
            pieces.append("Tests of the table:\n\n" + "\n".join(found))
    if units:
        pieces.append("Rules with a unit test: " + "; ".join(units) + ".")
    return pieces


def tests_of(column: dict[str, Any]) -> str:
    return ", ".join(describe_test(test) for test in column.get("data_tests", []))


def describe_test(test: str | dict[str, Any]) -> str:
    """A test of dbt in words: its name, what it is about, and where it does not fail the run."""
    if isinstance(test, str):
        return test.replace("_", " ")
    [(name, found)] = test.items()
    arguments = found.get("arguments", {})
    severity = found.get("config", {}).get("severity")
    said = [name.replace("_", " ")]
    for value in arguments.values():
        if isinstance(value, dict):
            said.append("; ".join(f"{code(key)}: {listed(item)}" for key, item in value.items()))
        else:
            said.append(", ".join(map(code, value)) if isinstance(value, list) else code(value))
    return ": ".join(said) + (f" (severity {severity})" if severity else "")


def listed(values: Any) -> str:
    return ", ".join(map(str, values)) if isinstance(values, list) else str(values)


def unit_of(kind: str, description: str) -> str:
    """The unit of numbers and instants as the description names it; empty where there is none."""
    if kind.lower() not in MEASURED:
        return ""
    found = (unit for unit, words in UNITS.items() if re.search(words, description))
    return next(found, "")
