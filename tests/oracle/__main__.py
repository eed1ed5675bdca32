"""The recorded histories, then any number of drawn ones, each from a seed of its own."""

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from uuid import uuid4

from pydantic import SecretStr

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.clients.provision import provision_buckets, provision_warehouse
from credix.core.settings import Settings
from credix_local import stack
from credix_local.cluster import choose_home
from credix_local.files import remove
from credix_local.postgres import PostgresServer
from credix_local.process import choose_port
from tests.oracle.crashes import tell_crashes
from tests.oracle.deaths import LOG_PLACES, MOMENTS, PLACES, happens, survive
from tests.oracle.machine import STEPS, check_history
from tests.oracle.notebooks import NotebookRunners
from tests.oracle.recorded import RECORDED, live
from tests.oracle.runners import Runners, WarmProcess
from tests.oracle.worlds import WORLDS, world_in

# A history in notebooks takes minutes, and has fewer steps.
NOTEBOOK_STEPS = 15
NOTEBOOK_WORLD = "companies by row version"


def main() -> None:
    """Draw the histories one after another; stops with the steps of the first that ends wrong."""
    parser = argparse.ArgumentParser(prog="make oracle")
    parser.add_argument("--histories", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--notebooks", action="store_true", help="run the notebooks, as users do")
    parser.add_argument("--deaths", action="store_true", help="die at each side effect instead")
    parser.add_argument("--crashes", type=int, default=0, help="crash the source's server instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="credix-oracle-") as folder:
        servers = Path(folder) / "stack"
        stack.start(servers, holds_jobs=True)
        try:
            runs = {"CREDIX_RUN_DIR": f"{folder}/runs", "CREDIX_PREFIX": "oracle"}
            settings = Settings.parse({**stack.variables(servers), **runs})
            provision_buckets(Lake(settings, Effects()))
            folder_of_worlds = Path(folder) / "worlds"
            numbers = range(arguments.seed, arguments.seed + arguments.histories)
            if arguments.crashes:
                crash_servers(settings, Path(folder), arguments.crashes, arguments.seed)
            elif arguments.deaths:
                tell_deaths(settings, folder_of_worlds)
            elif arguments.notebooks:
                with closing(NotebookRunners()) as notebooks:
                    draw(settings, folder_of_worlds, notebooks, numbers, [NOTEBOOK_WORLD])
            else:
                with (
                    closing(WarmProcess(settings)) as warm,
                    closing(Runners(None, warm)) as runners,
                ):
                    repeat_recorded(settings, folder_of_worlds, runners)
                    draw(settings, folder_of_worlds, runners, numbers, list(WORLDS))
        finally:
            stack.reset(servers)


@contextmanager
def warm_runners(settings: Settings) -> Iterator[Runners]:
    """Runners of the product as it is, and the process that they descend from."""
    with closing(WarmProcess(settings)) as warm, closing(Runners(None, warm)) as runners:
        yield runners


def crash_servers(settings: Settings, folder: Path, crashes: int, seed: int) -> None:
    """Crash a server of its own, whose log is flushed as seldom as PostgreSQL allows."""
    home = choose_home(folder / "crashing", f"crashing-{uuid4().hex[:12]}")
    server = PostgresServer(folder / "crashing", {"postgres": choose_port(set())}, "secret", home)
    server.start()
    try:
        own = settings.model_copy(
            update={
                "postgres_port": server.port,
                "postgres_password": SecretStr("secret"),
                "postgres_schema": "public",
                "retry_seconds": 5,
            }
        )
        provision_warehouse(Warehouse(own, Effects()))
        tell_crashes(own, server, crashes, seed)
    finally:
        server.stop()
        remove(home)


def repeat_recorded(settings: Settings, folder: Path, runners: Runners) -> None:
    """The histories that find planted faults, without them."""
    for name, recorded in RECORDED.items():
        live(world_in(settings, folder / uuid4().hex, runners, **recorded.world), recorded)
        print(f"recorded for '{name}': right", flush=True)


def draw(
    settings: Settings,
    folder: Path,
    runners: Runners | NotebookRunners,
    numbers: range,
    names: list[str],
) -> None:
    """A history for each number, in one of these worlds after another; tells the counts."""
    totals = Counter[str]()
    try:
        for number in numbers:
            name = names[number % len(names)]
            own = folder / uuid4().hex
            check_history(
                partial(world_in, settings, own, runners, **WORLDS[name]),
                number=number,
                steps=NOTEBOOK_STEPS if runners.are_notebooks else STEPS,
            )
            counts = count(own)
            totals += counts
            totals[f"histories: {name}"] += 1
            print(f"seed {number} ({name}): {counts['steps']} steps, right", flush=True)
    finally:
        print(json.dumps(dict(sorted(totals.items())), indent=2))


def tell_deaths(settings: Settings, folder: Path) -> None:
    """A table of all deaths in all worlds by row version and by log, line by line."""
    worlds = {name: given for name, given in WORLDS.items() if given.get("capture") != "cursor"}
    print("| dies | " + " | ".join(worlds) + " |")
    print("|---" * (len(worlds) + 1) + "|")
    with warm_runners(settings) as runners:
        for place, moment in product((*PLACES, *LOG_PLACES), MOMENTS):
            cells = []
            for given in worlds.values():
                if not happens(place, given.get("capture", "row_version")):
                    cells.append("does not happen")
                    continue
                own = folder / uuid4().hex
                with closing(world_in(settings, own, runners, **given)) as world:
                    survive(world, place, moment)
                cells.append("right")
            print(f"| {moment} `{place}` | " + " | ".join(cells) + " |", flush=True)


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
