"""The queries that statements of dbt mean, for an evaluator that only knows queries."""

import re

COMMENTS = re.compile(r"/\*.*?\*/|^\s*--[^\n]*$", re.DOTALL | re.MULTILINE)
CREATED = re.compile(r"\bas \(\s*(?P<query>.*)\)\s*;\s*$", re.DOTALL)
VIEW = re.compile(
    r"create or replace view .*?\n\s*as\s+(?P<query>(?:with|select)\b.*?);?\s*$",
    re.DOTALL | re.IGNORECASE,
)
MERGE = re.compile(
    r"merge into (?P<target>\S+) as (?P<t>\w+)\s+using \((?P<source>.*)\) as (?P<s>\w+)\s*\n"
    r"\s*on (?P<on>.*?)\n(?P<clauses>\s*when [^;]*)",
    re.DOTALL | re.IGNORECASE,
)
CLAUSE = re.compile(
    r"when (?P<kind>matched|not matched)(?: and (?P<condition>.*?))?"
    r"\s+then (?P<action>delete|update set|insert)\b(?P<rest>.*)$",
    re.DOTALL | re.IGNORECASE,
)
INSERTED = re.compile(r"\s*\((.*?)\)\s*values\s*\((.*)\)\s*$", re.DOTALL | re.IGNORECASE)
ASSIGNED = re.compile(r"\s*`?(\w+)`?\s*=\s*(.*)$", re.DOTALL)


def created_rows(statement: str) -> str:
    """The query of `CREATE TABLE … AS ( … )`, or of a view."""
    found = CREATED.search(statement) or VIEW.search(COMMENTS.sub("", statement))
    assert found is not None, statement[:200]
    return found["query"]


def merged_rows(statement: str, columns: list[str]) -> str:
    """The rows of a MERGE's target afterwards.

    Those without a match, those with one as the first clause that holds leaves them, and those
    that the INSERT adds.
    """
    found = MERGE.search(COMMENTS.sub("", statement))
    assert found is not None, statement[:200]
    target, t, s, on = found["target"], found["t"], found["s"], found["on"]
    no_match = f"not exists (select 1 from _source as {s} where {on})"
    parts = [f"select {t}.* from {target} as {t} where {no_match}"]
    earlier: list[str] = []
    for text in re.split(r"(?im)^(?=\s*when )", found["clauses"]):
        clause = CLAUSE.match(text.strip())
        if clause is None:
            continue
        condition = clause["condition"] or "true"
        action, rest = clause["action"].lower(), clause["rest"]
        if clause["kind"].lower() == "not matched":
            inserted = INSERTED.match(rest)
            assert inserted is not None, rest
            names = [name.strip(" `\n") for name in inserted[1].split(",")]
            values = dict(zip(names, split_list(inserted[2]), strict=True))
            new = f"not exists (select 1 from {target} as {t} where {on})"
            row = ", ".join(f"{values.get(name, 'null')} as `{name}`" for name in columns)
            parts.append(f"select {row} from _source as {s} where {new} and ({condition})")
            continue
        holds = " and ".join(
            [*(f"not coalesce({one}, false)" for one in earlier), f"({condition})"]
        )
        if action == "update set":
            assignments = [ASSIGNED.match(one) for one in split_list(rest)]
            changes = {one[1]: one[2] for one in assignments if one}
            row = ", ".join(f"{changes.get(name, f'{t}.`{name}`')} as `{name}`" for name in columns)
            parts.append(
                f"select {row} from {target} as {t} join _source as {s} on {on} where {holds}"
            )
        earlier.append(f"({condition})")
    kept = " and ".join(f"not coalesce({one}, false)" for one in earlier)
    if kept:
        parts.append(f"select {t}.* from {target} as {t} join _source as {s} on {on} where {kept}")
    return f"with _source as (\n{found['source']}\n)\n" + "\nunion all\n".join(parts)


def split_list(text: str) -> list[str]:
    """The parts between commas that are in no parentheses."""
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(text):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            parts.append(text[start:place].strip())
            start = place + 1
    return [*parts, text[start:].strip()]
