"""Imports that cost a run seconds for something it never uses."""

import sys
from collections.abc import MutableMapping
from typing import Any

URI_GRAMMAR = "rfc3987_syntax"


def skip_uri_grammar() -> None:
    """Let jsonschema do without its grammar of URIs; call before papermill or dbt is imported.

    Jupyter's packages install it, and its import builds a parser for 1.4 s. jsonschema treats it
    as optional; neither a notebook's nor dbt's schema has a format that needs it.
    """
    # None for a module makes its import an ImportError (Python reference, the import system).
    modules: MutableMapping[str, Any] = sys.modules
    modules.setdefault(URI_GRAMMAR, None)
