"""What the local BigQuery computes otherwise than Google's without an error, found in SQL text.

A query that uses such a construct passes every local test and is wrong, or fails, in production.
`docs/reference/sql-differences.md` lists the values that differ; `tests/googlesql` proves that they
still do.
"""

import re
from dataclasses import dataclass

# Quoted names stay, comments go, literals are emptied: what stands inside them is no code.
NOT_CODE = re.compile(
    r"(?P<name>`[^`]*`)"
    r"|(?P<comment>--[^\n]*|\#[^\n]*|/\*.*?\*/)"
    r"|(?P<literal>(?:\b[rb]{1,2})?(?:"
    r"'{3}.*?'{3}|\"{3}.*?\"{3}|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"))",
    re.DOTALL | re.IGNORECASE,
)
BLANK_LITERAL = "''"


@dataclass(frozen=True)
class Finding:
    """One construct in one statement; `line` counts from 1."""

    rule: str
    line: int
    text: str
    advice: str


@dataclass(frozen=True)
class Rule:
    name: str
    pattern: re.Pattern[str]
    advice: str


def rule(name: str, pattern: str, advice: str) -> Rule:
    return Rule(name, re.compile(pattern, re.IGNORECASE), advice)


RULES = (
    rule(
        "expiration",
        r"\b(hours_to_expiration|expiration_timestamp|partition_expiration_days)\s*=",
        "drop the table yourself; the local server never expires one",
    ),
    rule(
        "require_partition_filter",
        r"\brequire_partition_filter\s*=\s*true\b",
        "the local server never asks for the filter, so a query without one passes",
    ),
    rule(
        "materialized_view",
        r"\bcreate\s+(or\s+replace\s+)?materialized\s+view\b",
        "materialize a table; a local view is not refreshed as Google's is",
    ),
    rule(
        "external_table",
        r"\bcreate\s+(or\s+replace\s+)?external\s+table\b|\bload\s+data\b",
        "load files with a load job",
    ),
    rule(
        "javascript",
        r"\blanguage\s+js\b",
        "write the function in SQL",
    ),
    rule(
        "jobs",
        r"\binformation_schema\s*`?\s*\.\s*`?jobs",
        "ask the client for its job; the local list of jobs is not kept",
    ),
    rule(
        "partition_decorator",
        r"`[^`\s]*\$(\d{4,10}|__null__|__unpartitioned__)`",
        "filter on the partitioning column",
    ),
    rule(
        "dynamic_overwrite",
        r"\b_dbt_max_partition\b|\bdbt_partitions_for_replacement\b",
        "use a merge or a whole table; insert_overwrite of dynamic partitions differs",
    ),
    rule(
        "last_digits",
        r"\b(stddev|stddev_pop|stddev_samp|variance|var_pop|var_samp|covar_pop|covar_samp|corr)\s*\(",
        "round the result: the last digits differ locally",
    ),
    rule(
        "not_a_number",
        r"\bieee_divide\s*\(",
        "use safe_divide: NaN is equal to itself and the largest number locally",
    ),
    rule(
        "letters",
        r"\b(soundex|initcap)\s*\(",
        "use upper and lower: other letters differ locally",
    ),
    rule(
        "json_number",
        r"\b(json_value|json_extract_scalar)\s*\(",
        "keep numbers in columns: 1.50 in a JSON text is 1.5 locally",
    ),
)
UNNAMED_STRUCT = "name the fields with AS: the local server does not find them"

CALL = re.compile(r"\bstruct\s*\(", re.IGNORECASE)


def find_unportable(sql: str) -> list[Finding]:
    """Constructs of one or more statements for which a green local run does not vouch."""
    code = blank_out(sql)
    found = [
        Finding(one.name, line_of(code, match.start()), shorten(match.group()), one.advice)
        for one in RULES
        for match in one.pattern.finditer(code)
    ]
    for call in CALL.finditer(code):
        inside = read_parentheses(code, call.end())
        after = code[call.end() + len(inside) + 1 :].lstrip()
        if after.startswith(".") and not re.search(r"\bas\b", inside, re.IGNORECASE):
            text = shorten(f"{call.group()}{inside})")
            line = line_of(code, call.start())
            found.append(Finding("unnamed_struct", line, text, UNNAMED_STRUCT))
    return sorted(found, key=lambda finding: (finding.line, finding.rule))


def blank_out(sql: str) -> str:
    """The SQL with comments removed and literals emptied; line numbers stay."""

    def replace(match: re.Match[str]) -> str:
        if match["name"]:
            return match.group()
        return (BLANK_LITERAL if match["literal"] else " ") + "\n" * match.group().count("\n")

    return NOT_CODE.sub(replace, sql)


def read_parentheses(code: str, start: int) -> str:
    """The text from behind an opening parenthesis to its closing one, or to the end."""
    depth = 1
    for position in range(start, len(code)):
        depth += {"(": 1, ")": -1}.get(code[position], 0)
        if depth == 0:
            return code[start:position]
    return code[start:]


def line_of(code: str, position: int) -> int:
    return code.count("\n", 0, position) + 1


def shorten(text: str) -> str:
    """One line of at most 80 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:77]}..."
