"""Secrets out of everything that is saved: outputs of notebooks, exceptions, manifests."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

REDACTED = "[REDACTED]"
# Shorter secrets would redact ordinary words.
SHORTEST_SECRET = 4
COLOUR = "(?:\x1b\\[[0-9;]*m)*"
URL_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]+:)([^\s@]+)(@)")


class Redactor:
    """Replaces the given secrets, as they are, quoted for a URL or escaped, wherever they stand.

    Colour codes that a traceback puts inside a secret do not hide it.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {
            form
            for secret in secrets
            if len(secret) >= SHORTEST_SECRET
            for form in (secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1])
        }
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
