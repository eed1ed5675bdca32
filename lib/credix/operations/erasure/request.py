"""Erasing a person's or company's rows: which rows are meant, and the record of it without data.

A record names keys by a keyed hash only. Only with the secret can a row be recognized:
a tax number is short enough to be guessed from any hash without one.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from credix.capture.parts import convert
from credix.core.contracts import Source
from credix.core.errors import SettingsError, StateError
from credix.core.postgres_hash import key_text
from credix.core.watermarks import Value

ErasureStatus = Literal["begun", "pending", "done"]

SEPARATOR = "\x1f"
ID_DIGITS = 12


class Retained(Value):
    """A file that still holds erased rows, and until when its bucket's retention keeps it so."""

    path: str
    rows: int
    until: datetime | None = None


class Request(Value):
    """Who asked when, after which attempt, and how many rows and files were found then.

    One that has died goes on where the same is asked for once more, at `repeated_at`.
    """

    requested_by: str
    requested_at: datetime
    repeated_at: datetime | None = None
    attempt: int = 0
    bronze_rows: int = 0
    files: int = 0
    file_rows: int = 0
    finished_at: datetime | None = None


class Erasure(Request):
    """`erasures/<source>/<id>.json`: who erased how many rows when, never which values.

    `begun` may have come anywhere; with `pending` all is done but these files. `earlier` are the
    requests for the same keys before the one that the record is about.
    """

    format: Literal[1] = 1
    id: str
    source: str
    keys: tuple[str, ...]
    status: ErasureStatus = "begun"
    pending: tuple[Retained, ...] = ()
    unreadable: tuple[str, ...] = ()
    earlier: tuple[Request, ...] = ()

    @property
    def requests(self) -> tuple[Request, ...]:
        """All of them, the newest last."""
        own = {name: getattr(self, name) for name in Request.model_fields}
        return (*self.earlier, Request(**own))


@dataclass(frozen=True)
class Matcher:
    """Recognizes the rows of some keys by the keyed hash of their key."""

    source: Source
    secret: bytes
    wanted: frozenset[str]

    def mask(self, rows: pa.Table) -> np.ndarray:
        """Return True for the rows that are meant; the table needs the key's columns alone.

        Raises DataError when they are not of the contract's types.
        """
        texts = key_texts(self.source, rows)
        name = self.source.name
        found = [keyed_hash(self.secret, name, text) in self.wanted for text in texts]
        return np.array(found, bool)

    @property
    def id(self) -> str:
        """The same for the same keys, so that a second request finds the first one's record."""
        return keyed_hash(self.secret, self.source.name, *sorted(self.wanted))[:ID_DIGITS]


def keyed_hash(secret: bytes, *texts: str) -> str:
    return hmac.digest(secret, SEPARATOR.join(texts).encode(), "sha256").hex()


def key_texts(source: Source, rows: pa.Table) -> list[str]:
    """Return the key of each row as one text; a file that was refused may hold rows without one."""
    columns = {column.name: replace(column, mode="NULLABLE") for column in source.columns}
    texts = [
        key_text(source, name, convert(rows[name], columns[name], source).combine_chunks())
        for name in source.key
    ]
    keys = zip(*(text.fill_null("").to_pylist() for text in texts), strict=True)
    return [SEPARATOR.join(key) for key in keys]


def parse_keys(source: Source, given: Sequence[str]) -> pa.Table:
    """Keys as a person writes them, the columns of one joined by a slash, as the key's columns.

    Raises SettingsError when one is not of the contract's shape, without showing it.
    """
    several = len(source.key) > 1
    keys = [text.split("/") if several else [text] for text in dict.fromkeys(given)]
    if any(len(key) != len(source.key) for key in keys):
        raise SettingsError(
            f"A key of {source.name} is {'/'.join(source.key)}: write all of it, with slashes."
        )
    fields: list[Any] = [column.arrow for column in source.columns if column.name in source.key]
    schema = pa.schema(fields)
    table = pa.table({name: [key[i] for key in keys] for i, name in enumerate(source.key)})
    try:
        return table.select(schema.names).cast(schema)
    except pa.ArrowInvalid:
        raise SettingsError(
            f"A key of {source.name} cannot be read as {', '.join(source.key)}."
        ) from None


def match_keys(source: Source, secret: bytes, keys: pa.Table) -> Matcher:
    hashes = [keyed_hash(secret, source.name, text) for text in key_texts(source, keys)]
    return Matcher(source, secret, frozenset(hashes))


def read_erasure(text: str, location: str) -> Erasure:
    """Raise StateError when the record cannot be read."""
    try:
        return Erasure.model_validate_json(text)
    except ValueError:
        raise StateError(
            f"The record {location} cannot be read: restore an earlier version of the object."
        ) from None
