"""What JupyterLab writes into the project: its notebooks without outputs, as git has them."""

from pathlib import PurePosixPath
from typing import Any

from credix.core.jobs import REPORT_STEP, SOURCE_STEPS

FOLDER = "notebooks"
OWN = {"00_start_here", *SOURCE_STEPS, REPORT_STEP, "explore"}
METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def forget_outputs(model: dict[str, Any], path: str, **_: Any) -> None:
    """Called before a save: outputs may hold rows, and would be in every diff.

    They stay in the browser. Notebooks of other names keep theirs.
    """
    place = PurePosixPath(path.lstrip("/"))
    if model.get("type") != "notebook" or place.parent.name != FOLDER or place.stem not in OWN:
        return
    content = model["content"]
    content["metadata"] = METADATA
    for cell in content["cells"]:
        cell["metadata"] = {k: v for k, v in cell["metadata"].items() if k == "tags"}
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
