"""What the local BigQuery computes otherwise than Google's without saying so, found in SQL text.

A query that uses such a construct passes every local test and is wrong, or fails, in production.
The list comes from comparing the repaired emulator with BigQuery's reference.
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
# A literal keeps its quotes, so that CAST('x' AS STRING) can be told from CAST(x AS STRING).
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
        "week",
        r"\b(date_trunc|timestamp_trunc|datetime_trunc|date_diff|timestamp_diff|datetime_diff"
        r"|last_day)\s*\([^;]*?,\s*(isoweek|isoyear|week\s*\([^)]*\))\s*\)",
        "count days from a date you choose; weeks begin on another day locally",
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
)
ROUND_BEFORE_INT64 = "ROUND, TRUNC, FLOOR or CEIL first: halves become integers otherwise"
NUMBER_TO_TEXT = "keep numbers as numbers and FORMAT dates: the text of a NUMERIC differs"
UNNAMED_STRUCT = "name the fields with AS: the local server does not find them"
WINDOW_IN_REPLACE = "compute the window function in a subquery; BigQuery refuses it in REPLACE"
BARE_DIV = "put each sum, and the call after * or /, in parentheses: it becomes an operator locally"

CALL = re.compile(r"\b(cast|safe_cast|struct|div|replace)\s*\(", re.IGNORECASE)
WINDOW = re.compile(r"\bover\s*(\(|\w)", re.IGNORECASE)
CAST = re.compile(r"(?P<value>.*\S)\s+as\s+(?P<type>int64|string)\s*", re.IGNORECASE | re.DOTALL)
CONSTANT = re.compile(r"[+-]?\d+|null|''", re.IGNORECASE)
ROUNDED = re.compile(r"(round|trunc|floor|ceil|ceiling)\s*\(", re.IGNORECASE)
OPERATOR = re.compile(r"\S\s*[-+*/]")


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
        before, after = code[: call.start()].rstrip(), code[call.end() + len(inside) + 1 :]
        fault = judge_call(call.group(1).lower(), inside, before, after.lstrip())
        if fault is not None:
            text = shorten(f"{call.group()}{inside})")
            found.append(Finding(fault[0], line_of(code, call.start()), text, fault[1]))
    return sorted(found, key=lambda finding: (finding.line, finding.rule))


def judge_call(name: str, inside: str, before: str, after: str) -> tuple[str, str] | None:
    """The rule that one call breaks, and its advice."""
    if name == "struct":
        named = re.search(r"\bas\b", inside, re.IGNORECASE)
        return ("unnamed_struct", UNNAMED_STRUCT) if after.startswith(".") and not named else None
    if name == "replace":
        is_clause = before.endswith(("*", ")"))
        found = is_clause and WINDOW.search(inside)
        return ("window_in_replace", WINDOW_IN_REPLACE) if found else None
    if name == "div":
        loses_order = OPERATOR.search(outside_parentheses(inside)) or before.endswith(("*", "/"))
        return ("bare_div", BARE_DIV) if loses_order else None
    cast = CAST.fullmatch(inside.strip())
    if cast is None or CONSTANT.fullmatch(cast["value"].strip()):
        return None
    if cast["type"].lower() == "string":
        return ("number_to_text", NUMBER_TO_TEXT)
    return (
        None if ROUNDED.match(cast["value"].strip()) else ("round_before_int64", ROUND_BEFORE_INT64)
    )


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


def outside_parentheses(code: str) -> str:
    """The text without what stands in inner parentheses."""
    while (shorter := re.sub(r"\([^()]*\)", "", code)) != code:
        code = shorter
    return code


def line_of(code: str, position: int) -> int:
    return code.count("\n", 0, position) + 1


def shorten(text: str) -> str:
    """One line of at most 80 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:77]}..."
