"""The recorded histories, then any number of drawn ones, each from a seed of its own."""

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path
from uuid import uuid4

from credix.clients.effects import Effects
from credix.clients.lake import Lake
from credix.local import stack
from credix.settings import Settings
from credix.steps.provision import provision_buckets
from tests.oracle.machine import check_history
from tests.oracle.recorded import RECORDED, live
from tests.oracle.runners import Runners
from tests.oracle.worlds import WORLDS, world_in


def main() -> None:
    """Draw the histories one after another; stops with the steps of the first that ends wrong."""
    parser = argparse.ArgumentParser(prog="make oracle")
    parser.add_argument("--histories", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="credix-oracle-") as folder:
        servers = Path(folder) / "stack"
        stack.start(servers)
        try:
            settings = Settings.parse(
                {**stack.variables(servers), "CREDIX_RUN_DIR": f"{folder}/runs"}
            )
            provision_buckets(Lake(settings, Effects()))
            draw(settings, Path(folder), arguments.seed, arguments.histories)
        finally:
            stack.reset(servers)


def draw(settings: Settings, folder: Path, first: int, histories: int) -> None:
    runners = Runners(None, settings)
    names, totals = list(WORLDS), Counter[str]()
    try:
        for name, recorded in RECORDED.items():
            live(world_in(settings, folder / uuid4().hex, runners, **recorded.world), recorded)
            print(f"recorded for '{name}': right", flush=True)
        for number in range(first, first + histories):
            name = names[number % len(names)]
            own = folder / uuid4().hex
            check_history(
                lambda name=name, own=own: world_in(settings, own, runners, **WORLDS[name]),
                number=number,
            )
            counts = count(own)
            totals += counts
            print(f"seed {number} ({name}): {counts['steps']} steps, right", flush=True)
    finally:
        runners.close()
        print(json.dumps(dict(sorted(totals.items())), indent=2))


def count(folder: Path) -> Counter[str]:
    """Steps by kind, and deaths and holds by side effect, of the histories below a folder."""
    counts: Counter[str] = Counter()
    for path in folder.rglob("counts.json"):
        counts += Counter(json.loads(path.read_text("utf-8")))
    for path in folder.rglob("effects-*.txt"):
        lines = path.read_text("utf-8").splitlines()
        counts += Counter(line for line in lines if line.startswith(("died ", "held ")))
    return counts


if __name__ == "__main__":
    main()
