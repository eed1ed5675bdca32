"""Remove secrets and quoted values from everything that is saved or shown."""

import json
import re
from collections.abc import Iterable, Iterator
from enum import Enum
from html import escape
from typing import Any, Literal, TypeVar, get_origin
from urllib.parse import quote, quote_plus

from pydantic import BaseModel

from credix.core.errors import find_own_error

MASK = "…"
# What PostgreSQL adds below the message: whole rows and keys.
DETAILS = re.compile(
    r"^[ \t]*(?:DETAIL|CONTEXT|QUERY|STATEMENT):.*(?:\n(?!HINT:|\n).*)*", re.MULTILINE
)
IN_ADDRESS = r"[^\s@'\"`<>(),;:]"
EMAIL = re.compile(rf"(?<!{IN_ADDRESS}){IN_ADDRESS}+@{IN_ADDRESS}+\.{IN_ADDRESS}+")
# Tax and phone numbers: eight digits or more, however they are grouped; not a date or an instant.
NUMBER = re.compile(r"(?<![\w.-])\+?\(?\d(?:[ ./()-]{0,2}\d){7,}(?!\w)")
# A CNPJ with letters (IN RFB 2.229/2024), with its punctuation or without.
CNPJ = re.compile(
    r"(?<!\w)[0-9A-Z]{2}\.?[0-9A-Z]{3}\.?[0-9A-Z]{3}/?[0-9A-Z]{4}-?\d{2}(?!\w)", re.IGNORECASE
)
# A word of 14 letters and digits is taken for one when it has so many digits.
FEWEST_DIGITS = 5
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]?\d{2}.*)?")
# An apostrophe within a word opens and closes nothing; Python shows values with a prefix as well.
SINGLE = r"(?<!\w)[bruBRU]{0,2}'(?:[^']|''|(?<=\w)'(?=\w))*'(?!\w)"
QUOTED = re.compile(rf"{SINGLE}|\"[^\"]*\"|“[^”]*”|`[^`]*\s[^`]*`")
# Quoted names: in snake case, or after the word that says what they name.
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
ANSI_COLOUR = r"(?:\x1b\[[\d;]*m)*"
MESSAGE = re.compile(
    rf"^(?P<kind>{ANSI_COLOUR}(?P<name>[A-Za-z_][\w.]*){ANSI_COLOUR}: )(?P<message>.*?)"
    r"(?=\n\n(?:The above|During) |\Z)",
    re.MULTILINE | re.DOTALL,
)


def without_values(message: str) -> str:
    """Return the message with details, quoted values, addresses and long numbers masked."""
    text = DETAILS.sub("", message).rstrip()
    text = QUOTED.sub(mask_quoted, text)
    text = EMAIL.sub(MASK, text)
    text = NUMBER.sub(lambda found: keep_moment(found[0]), text)
    text = CNPJ.sub(mask_cnpj, text)
    return UNQUOTED.sub(rf"\1{MASK}", text)


def traceback_without_values(text: str) -> str:
    """Return a traceback, of Python or of IPython, whose messages quote no value.

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


def mask_cnpj(found: re.Match[str]) -> str:
    """A word without the punctuation of a CNPJ, and with few digits, is no number of a company."""
    is_number = "/" in found[0] or sum(map(str.isdigit, found[0])) >= FEWEST_DIGITS
    return MASK if is_number else found[0]


def keep_moment(number: str) -> str:
    return number if MOMENT.fullmatch(number) else MASK


Record = TypeVar("Record", bound=BaseModel)

REDACTED = "[REDACTED]"
# Fields of records that hold names and instants of the product itself.
OWN = frozenset(
    {"business_date", "cursor", "env", "git_revision", "job", "run_id", "snapshot_at", "source"}
)
# Shorter secrets would redact ordinary words.
SHORTEST_SECRET = 4
COLOUR = "(?:\x1b\\[[0-9;]*m)*"
# A password may hold an "@" itself: up to the last one of the word.
URL_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)(\S+)(@)")


class Redactor:
    """Replaces the given secrets, as they are, quoted or escaped, wherever they stand.

    Colour codes that a traceback puts inside a secret do not hide it.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        long_enough = (secret for secret in secrets if len(secret) >= SHORTEST_SECRET)
        forms = {form for secret in long_enough for form in written_forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        patterns = (COLOUR.join(map(re.escape, form)) for form in longest_first)
        self._pattern = re.compile("|".join(patterns)) if forms else None

    def text(self, text: str) -> str:
        if self._pattern:
            text = self._pattern.sub(REDACTED, text)
        return URL_PASSWORD.sub(rf"\1{REDACTED}\3", text)

    def value(self, value: Any) -> Any:
        """Return a JSON-like value with every string in it redacted, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        return value

    def record(self, record: Record) -> Record:
        """Return a record whose texts are redacted, except what names things in it.

        Keys, literals and OWN fields are the product's own words, by which readers find things
        again: a password that is one of them would only damage the record.
        """
        return record.model_copy(
            update={
                name: self._part(getattr(record, name))
                for name, field in type(record).model_fields.items()
                if name not in OWN and get_origin(field.annotation) is not Literal
            }
        )

    def _part(self, value: Any) -> Any:
        if isinstance(value, BaseModel):
            return self.record(value)
        if isinstance(value, str) and not isinstance(value, Enum):
            return self.text(value)
        if isinstance(value, tuple | list):
            return type(value)(map(self._part, value))
        if isinstance(value, dict):
            return {key: self._part(item) for key, item in value.items()}
        return value


def written_forms(secret: str) -> Iterator[str]:
    """Yield the secret as it is, in a URL, in Python's repr, in JSON and in HTML."""
    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield repr(secret)[1:-1]
    yield json.dumps(secret)[1:-1]
    yield escape(secret)
    yield escape(secret, quote=False)
