"""Messages of other software without the values they quote.

PostgreSQL, BigQuery, DuckDB and Arrow quote the value that they could not use, and it may be a
person's. Names of tables and columns stay: they are what a message is read for.
"""

import re

from credix.errors import find_own_error

MASK = "…"
# What PostgreSQL adds below the message: whole rows and keys.
DETAILS = re.compile(
    r"^[ \t]*(?:DETAIL|CONTEXT|QUERY|STATEMENT):.*(?:\n(?!HINT:|\n).*)*", re.MULTILINE
)
IN_ADDRESS = r"[^\s@'\"`<>(),;:]"
EMAIL = re.compile(rf"(?<!{IN_ADDRESS}){IN_ADDRESS}+@{IN_ADDRESS}+\.{IN_ADDRESS}+")
# Tax and phone numbers: eight digits or more, however they are grouped; not a date or an instant.
NUMBER = re.compile(r"(?<![\w.-])\+?\(?\d(?:[ ./()-]{0,2}\d){7,}(?!\w)")
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]?\d{2}.*)?")
# An apostrophe within a word opens and closes nothing; Python shows values with a prefix as well.
SINGLE = r"(?<!\w)[bruBRU]{0,2}'(?:[^']|''|(?<=\w)'(?=\w))*'(?!\w)"
QUOTED = re.compile(rf"{SINGLE}|\"[^\"]*\"|“[^”]*”|`[^`]*\s[^`]*`")
# Quoted names: in snake case, or behind the word that says what they name.
SNAKE_CASE = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[_.][A-Za-z0-9]+)+")
NAMED = re.compile(
    r"\b(?:attribute|column|constraint|database|dataset|field|file|function|identifier|index"
    r"|model|module|parameter|relation|role|schema|slot|table|type|view) $",
    re.IGNORECASE,
)
SIGN = re.compile(r"[^\w\s]{1,3}")
UNQUOTED = re.compile(r"(\bvalue(?: was)?: )(?!['\"…])\S.*?(?=$|\n| at \[)", re.IGNORECASE)
LONGEST_NOUN = 16
# `ValueError: message`, in colours or without, up to the next exception of a chain.
COLOUR = r"(?:\x1b\[[\d;]*m)*"
MESSAGE = re.compile(
    rf"^(?P<kind>{COLOUR}(?P<name>[A-Za-z_][\w.]*){COLOUR}: )(?P<message>.*?)"
    r"(?=\n\n(?:The above|During) |\Z)",
    re.MULTILINE | re.DOTALL,
)


def without_values(message: str) -> str:
    """The message with details, quoted values, addresses and long numbers masked."""
    text = DETAILS.sub("", message).rstrip()
    text = QUOTED.sub(mask_quoted, text)
    text = EMAIL.sub(MASK, text)
    text = NUMBER.sub(lambda found: keep_moment(found[0]), text)
    return UNQUOTED.sub(rf"\1{MASK}", text)


def traceback_without_values(text: str) -> str:
    """A traceback, of Python or of IPython, whose messages quote no value.

    Its frames stay, and the messages of our own errors, which quote none.
    """
    ended = text.rstrip()
    return MESSAGE.sub(mask_message, ended) + text[len(ended) :]


def mask_message(found: re.Match[str]) -> str:
    name = found["name"].rpartition(".")[2]
    message = found["message"]
    return found["kind"] + (message if find_own_error(name) else without_values(message))


def mask_quoted(found: re.Match[str]) -> str:
    content = found[0][:-1].lstrip("bruBRU")[1:]
    before = found.string[max(0, found.start() - LONGEST_NOUN) : found.start()]
    is_name = SNAKE_CASE.fullmatch(content) or NAMED.search(before)
    # A sign that a parser expects or meets.
    is_sign = SIGN.fullmatch(content)
    return (
        found[0] if is_name or is_sign else f"{found[0][: -len(content) - 1]}{MASK}{found[0][-1]}"
    )


def keep_moment(number: str) -> str:
    return number if MOMENT.fullmatch(number) else MASK
