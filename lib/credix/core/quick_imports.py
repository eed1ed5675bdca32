"""Imports that cost a run seconds for something it never uses."""

import sys
from collections.abc import MutableMapping
from typing import Any

# A parser of URIs, built for 1.4 s at its import, and one of durations.
FORMATS = ("rfc3987_syntax", "isoduration")


def skip_schema_formats() -> None:
    """Let jsonschema do without two formats; call before papermill or dbt is imported.

    Jupyter's packages install them. jsonschema treats them as optional; neither a notebook's nor
    dbt's schema has a format that needs them.
    """
    # None for a module makes its import an ImportError (Python reference, the import system).
    modules: MutableMapping[str, Any] = sys.modules
    for name in FORMATS:
        modules.setdefault(name, None)
