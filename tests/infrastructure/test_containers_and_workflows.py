"""Images, compose file and workflows hold to the rules of their linters."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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
    assert not re.search(r"^RUN .*--mount", text, re.MULTILINE)


def test_what_an_image_copies_is_sent_to_the_build() -> None:
    sent = {
        line[1:] for line in (PROJECT_DIR / ".dockerignore").read_text().split() if line[0] == "!"
    }
    for file in DOCKERFILES:
        for names in re.findall(r"^COPY (?!--from)(.+?) \S+$", file.read_text(), re.MULTILINE):
            for name in names.replace("\\", "").split():
                assert any(name == one or name.startswith(f"{one}/") for one in sent), name


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
    for action in re.findall(r"uses: (\S+)", file.read_text("utf-8")):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), f"{action} is not pinned"


def test_yaml_is_tidy() -> None:
    assert complaints("yamllint", "--strict", "docker-compose.yml", ".github", "dbt") == ""


def test_the_data_loader_starts_with_the_files_its_image_has(tmp_path: Path) -> None:
    text = (PROJECT_DIR / "docker" / "data-loader" / "Dockerfile").read_text("utf-8")
    for name in re.findall(r"lib/credix/[\w/]+(?:\.py)?", text.partition("USER")[0]):
        source, target = PROJECT_DIR / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    code = f"import sys; sys.path[:] = [{str(tmp_path / 'lib')!r}, *sys.path]; import credix.loader"
    found = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stderr == ""
