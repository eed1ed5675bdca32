"""An import that costs a run seconds for something it never uses."""

import sys
from collections.abc import MutableMapping
from typing import Any

# jsonschema's parser of international URIs: 0.8 s of CPU in each process that imports jsonschema.
URI_GRAMMAR = "rfc3987_syntax"


def skip_uri_grammar() -> None:
    """Let jsonschema do without the format `iri`; call before papermill or dbt is imported.

    Jupyter's packages install its parser. jsonschema treats it as optional; neither a notebook's
    nor dbt's schema has an IRI.
    """
    # None for a module makes its import an ImportError (Python reference, the import system).
    modules: MutableMapping[str, Any] = sys.modules
    modules.setdefault(URI_GRAMMAR, None)
