"""How long it takes from PostgreSQL to Parquet, ours and others, one after another by turns."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.stage import INSTALLMENTS, WORK, Stage, clear_folder, connect_arguments
from credix.core.settings import PROJECT_DIR

PEERS = ("dlt_connectorx", "dlt_pyarrow", "pandas")
PATIENCE_SECONDS = 1800


def measure_extraction(stage: Stage, pairs: int, peers: Sequence[str]) -> dict[str, list[Any]]:
    """`pairs` readings of each, each in a process of its own."""
    python = peer_python() if peers else ""
    found: dict[str, list[Any]] = {name: [] for name in ("copy", "ours", *peers)}
    for _ in range(pairs):
        for name in found:
            reading = read_ours(stage, name) if name in ("copy", "ours") else None
            found[name].append(reading or read_peer(stage, python, name))
            last = found[name][-1]
            print(f"{name:15} {last['seconds']:7.2f} s  {last['peak_mb']:6,} MB", flush=True)
            if last["rows"] < stage.rows:
                raise RuntimeError(f"{name} has read {last['rows']} of {stage.rows} rows")
    return found


def read_ours(stage: Stage, name: str) -> dict[str, Any]:
    """The settings go by a file that only this user can read: they hold the password."""
    path = WORK / "settings.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(stage.settings.variables()), "utf-8")
    return run_child([sys.executable, "-m", "bench.read_ours", name, str(path)], {})


def read_peer(stage: Stage, python: str, name: str) -> dict[str, Any]:
    folder = clear_folder(WORK / "peer")
    script = PROJECT_DIR / "bench" / "peers" / "read_peer.py"
    parts = connect_arguments(stage.settings)
    url = (
        f"postgresql+psycopg2://{parts['user']}:{quote(parts['password'], safe='')}"
        f"@{parts['host']}:{parts['port']}/{parts['dbname']}"
    )
    command = [python, str(script), name, stage.table(INSTALLMENTS), str(folder)]
    return run_child(command, {"PEER_URL": url, "PYTHONPATH": ""})


def run_child(command: Sequence[str], variables: dict[str, str]) -> dict[str, Any]:
    """The JSON on the last line of a child's output; raises RuntimeError when it fails."""
    ended = subprocess.run(
        command,
        cwd=PROJECT_DIR,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"{command[-1]} failed: {ended.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return found


def peer_python() -> str:
    """The Python of the peers' environment, which is made once."""
    folder, wanted = WORK / "peers", PROJECT_DIR / "bench" / "peers" / "requirements.txt"
    python = folder / "bin" / "python"
    marker = folder / "requirements.txt"
    if marker.exists() and marker.read_text("utf-8") == wanted.read_text("utf-8"):
        return str(python)
    print("Installing the peers ...", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(wanted)], check=True)
    shutil.copyfile(wanted, marker)
    return str(python)


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
