"""Images, compose file and workflows hold to the rules of their linters."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from credix.local.process import choose_port, wait_until
from credix.settings import PROJECT_DIR, Settings

TOOLS = Path(sys.executable).parent
DOCKERFILES = sorted(PROJECT_DIR.glob("docker/*/Dockerfile"))
WORKFLOWS = sorted((PROJECT_DIR / ".github" / "workflows").glob("*.yml"))
COMPOSE = PROJECT_DIR / "docker-compose.yml"


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
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE)[-1] == "10001"
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
    for name in re.findall(r"\S+/requirements\.lock(?= /tmp)", text):
        lock = (PROJECT_DIR / name).read_text("utf-8")
        assert set(re.findall(r"^\S+==\S+", lock, re.MULTILINE)) - pinned == set()
    for install in re.findall(r"pip install (.+)$", text, re.MULTILINE):
        assert "--require-hashes" in install


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
        if "requirements" in name or target.startswith("/tmp"):
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
    assert set(re.findall(r"PASSWORD: (\S+)", text)) == {"${POSTGRES_PASSWORD:?Write"}
    assert set(re.findall(r'"([\d.:]+):\d+:\d+"', text)) == {"127.0.0.1"}


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
