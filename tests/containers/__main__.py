"""Build the images and go through docs/how-to/containers.md with them, up to a second start.

    make containers    # with COMPOSE_ELEMENTARY=no where dbt's package hub is not reached

It works in a copy of the clone, with a project, ports and volumes of its own, removed at the end.
"""

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.containers.compose import (
    CheckError,
    Compose,
    choose_ports,
    copy_clone,
    find_fault_of_engine,
    run,
)

SERVERS = ("postgres", "bigquery", "gcs")
ROWS = ("--companies", "1000", "--installments", "20000")


def main() -> None:
    """Exit code 1 at the first check that fails, 2 without an engine."""
    fault = find_fault_of_engine()
    if fault:
        print(fault, file=sys.stderr)
        sys.exit(2)
    with tempfile.TemporaryDirectory(prefix="credix-containers-") as folder, project(folder) as one:
        for check in CHECKS:
            began = time.monotonic()
            print(f"{check.__doc__} ", end="", flush=True)
            try:
                check(one)
            except CheckError as error:
                print("FAILED")
                sys.exit(f"\n{error}\n\n{one.run('logs', '--tail', '30').output}")
            print(f"yes, {time.monotonic() - began:.0f} s")
    print(f"{len(CHECKS)} passed, 0 failed")


@contextmanager
def project(folder: str) -> Iterator[Compose]:
    """A copy of the clone and its stack, which is removed whatever happens."""
    clone = copy_clone(Path(folder) / "clone")
    variables = {"COMPOSE_PROJECT_NAME": f"credix-check-{os.getpid()}", **choose_ports()}
    one = Compose(clone, variables)
    try:
        yield one
    finally:
        one.run("--profile", "*", "down", "--volumes", "--remove-orphans")


def expect(is_true: object, otherwise: str) -> None:
    if not is_true:
        raise CheckError(otherwise)


def in_workbook(one: Compose, *words: str, code: int = 0) -> str:
    return one("run", "--rm", "-T", "workbook", *words, code=code)


def buckets(one: Compose) -> set[str]:
    return {item["name"] for item in one.ask("GCS", "/storage/v1/b").get("items", [])}


def wait_for(is_so: Callable[[], object], seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        expect(time.monotonic() < deadline, otherwise)
        time.sleep(0.5)


def no_start_without_password(one: Compose) -> None:
    """Without a password the stack does not start, and says how to get one."""
    said = one("config", code=None)
    expect("docker/prepare.sh" in said, said)
    for _ in range(2):
        ended = run(["sh", "docker/prepare.sh"], one.folder, {})
        expect(ended.code == 0, ended.output)


def images_are_built(one: Compose) -> None:
    """The images are built from a clone that is closed to other users."""
    one("--profile", "*", "build")
    if os.environ.get("COMPOSE_ELEMENTARY", "yes") == "yes":
        in_image = ("--no-deps", "--entrypoint", "ls", "workbook", "dbt/observability/dbt_packages")
        said = one("run", "--rm", "-T", *in_image)
        expect("elementary" in said and "dbt_utils" in said, said)


def servers_are_up(one: Compose) -> None:
    """The servers start, and are healthy when the command returns."""
    one("up", "--detach", "--wait", *SERVERS)


def source_is_filled(one: Compose) -> None:
    """Demo data gets into the source, a second time only with --replace."""
    one("run", "--rm", "-T", "demo", *ROWS)
    one("run", "--rm", "-T", "loader")
    said = one("run", "--rm", "-T", "loader", code=1)
    expect("--replace" in said, said)
    one("run", "--rm", "-T", "loader", "--replace")


def doctor_finds_nothing(one: Compose) -> None:
    """Provisioned, the image in which runs succeed is well to doctor."""
    in_workbook(one, "provision")
    said = in_workbook(one, "doctor")
    expect("✘" not in said, said)


def a_run_leaves_its_report(one: Compose) -> None:
    """A full run ends well, its report lies in the clone, and bronze equals the source."""
    said = in_workbook(one, "run", "full")
    [page] = re.findall(r"/app/(data/runs/\S+/05_report\.html)", said)
    expect((one.folder / page).is_file(), f"There is no {page}.\n{said}")
    in_workbook(one, "reconcile")


def changes_are_carried(one: Compose) -> None:
    """Changes of the source arrive, and a run after them has nothing to do."""
    in_workbook(one, "simulate", "--days", "1", "--deletes")
    in_workbook(one, "run", "full")
    said = in_workbook(one, "run", "full")
    expect("No changes" in said, said)
    in_workbook(one, "reconcile")


def restarts_change_nothing(one: Compose) -> None:
    """Each server restarts; the buckets are as before, and so is the lake."""
    before, size = buckets(one), lake_bytes(one)
    for name in (*SERVERS, "gcs"):
        one("restart", name)
        one("up", "--detach", "--wait", *SERVERS)
    after = buckets(one)
    expect(after == before, f"Buckets were {sorted(before)} and are {sorted(after)}.")
    expect(lake_bytes(one) == size, "The lake has grown by restarts alone.")
    in_workbook(one, "reconcile")


def lake_bytes(one: Compose) -> int:
    count = (
        "from pathlib import Path; "
        "print(sum(path.stat().st_size for path in Path('/data/objects').rglob('*')))"
    )
    return int(one("exec", "-T", "bigquery", "python", "-c", count))


def a_run_is_ended_and_the_next_goes_on(one: Compose) -> None:
    """SIGTERM ends a run with a word, and the next one does its work."""
    in_workbook(one, "simulate", "--days", "1")
    name = f"{one.variables['COMPOSE_PROJECT_NAME']}-ended"
    with one.start("run", "-T", "--name", name, "workbook", "run", "full") as working:
        engine = partial(run, folder=one.folder, variables={})
        wait_for(
            lambda: "01_extract" in engine(["docker", "logs", name]).output, 120, "No run began."
        )
        engine(["docker", "stop", "--time", "30", name])
        said, _ = working.communicate(timeout=120)
    engine(["docker", "rm", "--force", name])
    expect("Ended by SIGTERM." in said and working.returncode == 1, said)
    in_workbook(one, "run", "full")
    in_workbook(one, "reconcile")


def notebooks_are_saved_without_outputs(one: Compose) -> None:
    """JupyterLab saves a notebook into the clone, without its outputs, for the clone's user."""
    one("--profile", "lab", "up", "--detach", "--wait", "jupyter")
    # The log of an earlier start names a token of its own.
    tokens = re.findall(r"token=(\w+)", one("logs", "jupyter"))
    expect(tokens, "The log names no token.")
    token = tokens[-1]
    path = "/api/contents/notebooks/explore.ipynb"
    model = one.ask("JUPYTER", path, token)
    expect(model["writable"], "The notebook cannot be written.")
    code = next(cell for cell in model["content"]["cells"] if cell["cell_type"] == "code")
    code["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "a row of a person"}]
    code["source"] += "\n# saved"
    one.ask("JUPYTER", path, token, put=model)
    file = one.folder / "notebooks" / "explore.ipynb"
    saved = json.loads(file.read_text("utf-8"))
    expect("# saved" in json.dumps(saved), "The notebook was not saved.")
    expect("a row of a person" not in json.dumps(saved), "Outputs were saved.")
    expect(file.stat().st_uid == os.getuid(), "The notebook belongs to somebody else now.")
    one("--profile", "lab", "stop", "jupyter")
    state = json.loads(one("--profile", "lab", "ps", "--all", "--format", "json", "jupyter"))
    expect(state["ExitCode"] == 0, f"JupyterLab ended with {state['ExitCode']}.")


def data_outlives_its_containers(one: Compose) -> None:
    """Taken down and up again, source, lake and bronze are as they were."""
    one("--profile", "*", "down")
    one("up", "--detach", "--wait", *SERVERS)
    in_workbook(one, "reconcile")
    said = in_workbook(one, "run", "full")
    expect("No changes" in said, said)


def roots_are_read_only(one: Compose) -> None:
    """No container may write its own root or has a capability it does not need."""
    ids = one("--profile", "*", "ps", "--quiet", *SERVERS).split()
    expect(len(ids) == len(SERVERS), "Not every server runs.")
    for name in ids:
        said = run(["docker", "inspect", name], one.folder, {}).output
        host = json.loads(said)[0]["HostConfig"]
        expect(host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and host["Memory"], said)


def no_log_has_the_password(one: Compose) -> None:
    """No log of a container has the password."""
    text = (one.folder / ".env").read_text("utf-8")
    [password] = re.findall(r"^COMPOSE_POSTGRES_PASSWORD=(\w+)$", text, re.MULTILINE)
    expect(password not in one("--profile", "*", "logs"), "A log has the password.")


CHECKS = (
    no_start_without_password,
    images_are_built,
    servers_are_up,
    source_is_filled,
    doctor_finds_nothing,
    a_run_leaves_its_report,
    changes_are_carried,
    restarts_change_nothing,
    a_run_is_ended_and_the_next_goes_on,
    notebooks_are_saved_without_outputs,
    no_log_has_the_password,
    data_outlives_its_containers,
    roots_are_read_only,
)


if __name__ == "__main__":
    main()
