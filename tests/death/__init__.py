"""End a process that a test starts, or a kernel of it, at a side effect as by `kill -9`.

The product knows nothing of it. Python imports `sitecustomize` at its start from the first folder
of PYTHONPATH that has one.
"""

import os
from pathlib import Path

FOLDER = Path(__file__).parent
PLACE = "DIE_AT"


def dying_at(place: str) -> dict[str, str]:
    """Return the variables of a process that ends at an effect: `<name>[#n]:before|after`."""
    path = os.pathsep.join(filter(None, [str(FOLDER), os.environ.get("PYTHONPATH")]))
    return {PLACE: place, "PYTHONPATH": path}
