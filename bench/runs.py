"""How long whole runs take, from the command to its exit, and where the time goes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat

from bench.stage import WORK, Stage, clear_folder
from credix.core.settings import PROJECT_DIR, Settings

COMMAND = PROJECT_DIR / "run_pipeline.py"
BRONZE = ("-p", "layers", '["bronze"]')
DELTA_ROWS = 1_000
# Effects by what they wait for.
GROUPS = {
    **dict.fromkeys(("lake", "state", "archive"), "storage"),
    **dict.fromkeys(("bronze", "silver", "gold"), "dbt"),
    "warehouse": "load",
}


def measure_runs(stage: Stage, pairs: int) -> dict[str, Any]:
    """Quiet runs against an empty notebook, deltas to tested gold."""
    settings = stage.empty_warehouse("runs")
    for job in ("cnpj", "installments"):
        run_job(settings, job)
    notebook = empty_notebook()
    found: dict[str, list[Any]] = {"empty notebook": [], "quiet run": [], "delta to gold": []}
    for _ in range(pairs):
        found["empty notebook"].append({"seconds": run_papermill(notebook)})
        found["quiet run"].append(run_job(settings, "installments", expected="no_changes"))
    for _ in range(pairs):
        stage.change(DELTA_ROWS)
        found["delta to gold"].append(run_job(settings, "installments"))
    for name, results in found.items():
        print(name, [round(result["seconds"], 2) for result in results], flush=True)
    return found


def measure_first_load(stage: Stage, number: int) -> dict[str, Any]:
    """A first load into an empty prefix, extract to tested bronze."""
    settings = stage.empty_warehouse(f"load{number}_{time.time_ns() % 10**9}")
    found = run_job(settings, "installments", *BRONZE)
    print(f"first load of {stage.rows:,} rows: {found['seconds']:.1f} s", flush=True)
    return found


def run_job(
    settings: Settings, job: str, *arguments: str, expected: str = "done"
) -> dict[str, Any]:
    """Seconds of the command, and how they are spent; raises RuntimeError when it fails."""
    started = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, str(COMMAND), "run", job, *arguments],
        env={**os.environ, **settings.variables()},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if ended.returncode:
        raise RuntimeError(f"{job}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    newest = max(settings.run_dir.glob(f"*-{job}-*/manifest.json"), key=os.path.getmtime)
    manifest = json.loads(newest.read_text("utf-8"))
    if manifest["status"] != expected:
        raise RuntimeError(f"{job} ended as {manifest['status']}, not {expected}")
    return {"seconds": seconds, "spent": spent(manifest, newest.parent, seconds)}


def spent(manifest: dict[str, Any], folder: Path, seconds: float) -> dict[str, float]:
    """Seconds by what they went into; `command` is the process around the notebooks.

    A step counts its time from when it opens its run; what its notebook takes beyond that is its
    kernel and its imports.
    """
    shares = dict.fromkeys(("PostgreSQL", "storage", "load", "dbt", "other steps"), 0.0)
    steps = [(name, step) for owned in manifest["steps"].values() for name, step in owned.items()]
    for name, step in steps:
        rest = step["seconds"]
        for effect in step["effects"]:
            room = GROUPS.get(effect["name"].partition(".")[0], "other steps")
            shares[room] += effect["seconds"]
            rest -= effect["seconds"]
        shares["PostgreSQL" if name.startswith("01") else "other steps"] += max(0.0, rest)
    notebooks = sum(duration(path) for path in folder.glob("*.ipynb"))
    in_steps = sum(step["seconds"] for _, step in steps)
    shares["kernels and imports"] = max(0.0, notebooks - in_steps)
    shares["command"] = max(0.0, seconds - notebooks)
    return shares


def duration(notebook: Path) -> float:
    """Seconds that papermill measured for a notebook."""
    return float(json.loads(notebook.read_text("utf-8"))["metadata"]["papermill"]["duration"])


def run_papermill(notebook: Path) -> float:
    started = time.perf_counter()
    subprocess.run(
        [str(Path(sys.executable).with_name("papermill")), str(notebook), str(notebook) + ".out"],
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - started


def empty_notebook() -> Path:
    path = clear_folder(WORK / "notebook") / "empty.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("")])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    nbformat.write(notebook, path)
    return path
