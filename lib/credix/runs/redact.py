"""Secrets out of everything that is saved: outputs of notebooks, exceptions, manifests.

`runs/notebook.py` has a notebook redacted before every save.
"""

import json
import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

REDACTED = "[REDACTED]"
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
        """A JSON-like value with every string in it redacted, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        return value


def written_forms(secret: str) -> Iterator[str]:
    """The secret as it is, in a URL, in Python's repr, in JSON and in HTML."""
    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield repr(secret)[1:-1]
    yield json.dumps(secret)[1:-1]
    yield escape(secret)
    yield escape(secret, quote=False)
