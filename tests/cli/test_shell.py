"""The command line in a shell: completion, JSON alone on stdout, no colours in a pipe."""

import inspect
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from credix.cli import main, terminal
from credix.cli.main import commands
from credix.cli.shell import VARIABLE, next_command
from credix.clients.bigquery.warehouse import Warehouse
from credix.core import contracts, errors
from credix.core.jobs import all_jobs
from credix.core.settings import PROJECT_DIR, Settings
from tests.project_copy import copy_project, variables_for
from tests.tables import Table

COMMAND = [sys.executable, str(PROJECT_DIR / "run_pipeline.py")]
ERRORS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__
]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    paths = {"PYTHONPATH": str(PROJECT_DIR / "lib")}
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**os.environ, **paths, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("run_pipeline.py ", {"run", "doctor", "full"}),
        ("run_pipeline.py sche", {"schedule"}),
        ("run_pipeline.py run ", set(all_jobs())),
        ("run_pipeline.py evolve inst", {"installments"}),
        ("run_pipeline.py rewind --source ", {"cnpj_ws", "installments"}),
        ("run_pipeline.py status --j", {"--json"}),
    ],
)
def test_a_shell_is_offered_commands_jobs_sources_and_options(line: str, offered: set[str]) -> None:
    number = len(line.split()) - (not line.endswith(" "))
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(number), VARIABLE: "bash_complete"}
    answered = run(**asked).stdout.splitlines()
    assert offered <= {text.partition(",")[2] for text in answered}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_names_the_program(shell: str) -> None:
    ended = run("completion", shell)
    assert ended.returncode == 0
    assert f"{VARIABLE}={shell}_complete" in ended.stdout
    assert "run_pipeline.py" in ended.stdout


def test_bash_takes_its_script() -> None:
    script = run("completion", "bash").stdout
    asked = f"{script}\ncomplete -p run_pipeline.py"
    ended = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=False)
    assert "complete -o nosort -F" in ended.stdout, ended.stderr


@pytest.fixture(scope="module")
def slipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose sources.yml has a slip in its line 2."""
    project = copy_project(tmp_path_factory.mktemp("slipped"))
    declared = project / "lib" / "contracts" / "sources.yml"
    declared.write_text("installments:\n  table = business_case\n", "utf-8")
    return project


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("full", 2, "lib/contracts/sources.yml, line 1: source 'installments': write its settings"),
        ("doctor", 1, "lib/contracts/sources.yml, line 1: source 'installments'"),
        ("--help", 0, "Exit codes"),
    ],
)
def test_a_slip_in_sources_yml_is_one_sentence_and_hides_no_help(
    slipped: Path, settings: Settings, line: str, code: int, words: str
) -> None:
    ended = subprocess.run(
        [sys.executable, str(slipped / "run_pipeline.py"), *line.split()],
        env={**os.environ, **variables_for(slipped, settings)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = " ".join(f"{ended.stdout} {ended.stderr}".split())
    assert ended.returncode == code, said
    assert "Traceback" not in said
    assert words in said


SLIPS = {
    # File, the text at fault, what is there instead, what is said.
    "bad YAML": ("sources.yml", "key: [cnpj]", "key: [cnpj", "line 21: did not find expected"),
    "a key twice": (
        "sources.yml",
        "deletes: true",
        "deletes: true\n  drift: fail",
        "is there twice",
    ),
    "an unknown setting": ("sources.yml", "deletes:", "delete:", "there is no setting 'delete'"),
    "a wrong type": ("sources.yml", "deletes: true", "deletes: 3", "deletes must be true or false"),
    "an unknown column": (
        "sources.yml",
        "[legal_name,",
        "[legal,",
        "names ['legal'], which cnpj_ws",
    ),
    "a bad cron line": ("sources.yml", '"15 3 * * *"', '"15 3 * *"', "schedule is '15 3 * *'"),
    "a bad cron line of a job": ("jobs.yml", '"0 5 * * *"', '"0 25 * * *"', "full is '0 25 * * *'"),
    "an unknown job": ("jobs.yml", "full:", "ful:", "there is no setting 'ful'"),
    "bad JSON": ("installments.json", "},", "}", "line 3: Expecting ',' delimiter"),
    "an unknown type": ("installments.json", '"DATE"', '"DAY"', "has type DAY; supported are"),
    "an unknown mode": ("cnpj_ws.json", '"NULLABLE"', '"NULL"', "mode must be NULLABLE"),
    "a key of JSON twice": ("cnpj_ws.json", '"mode"', '"type"', "'type' is there twice"),
}


@pytest.fixture
def contract_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the contracts, which this process reads instead of the project's."""
    folder = tmp_path / "lib" / "contracts"
    shutil.copytree(contracts.FOLDER, folder)
    monkeypatch.setattr(contracts, "LIB", folder.parent)
    monkeypatch.setattr(contracts, "FOLDER", folder)
    monkeypatch.setattr(contracts, "SOURCES", folder / "sources.yml")
    monkeypatch.setattr(contracts, "JOBS", folder / "jobs.yml")
    former = {folder / "sources.toml": folder / "sources.yml"}
    monkeypatch.setattr(contracts, "FORMER", former)
    forget_contracts()
    yield folder
    forget_contracts()


def forget_contracts() -> None:
    for cached in (
        contracts._sources,
        contracts.declarations,
        contracts.shared_jobs,
        contracts.technical_columns,
        all_jobs,
    ):
        cached.cache_clear()


def told(line: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """The exit code of a command, and what it said, in one line."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.argv", ["run_pipeline.py", *line])
        patched.setattr("sys.excepthook", sys.excepthook)
        patched.setattr("signal.signal", lambda *_: None)
        capsys.readouterr()
        code: object = 0
        try:
            main.main()
        except SystemExit as ended:
            code = ended.code
    said = capsys.readouterr()
    return code, " ".join(f"{said.out} {said.err}".split())


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_a_contract_is_one_sentence_in_every_command(
    slip: str, contract_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, right, wrong, words = SLIPS[slip]
    text = (contract_folder / file).read_text("utf-8")
    assert right in text
    (contract_folder / file).write_text(text.replace(right, wrong, 1), "utf-8")
    sentence = f"lib/contracts/{file}, line "
    for line in (["full"], ["run", "full"], ["status"], ["reconcile"]):
        code, said = told(line, capsys)
        assert (code, said.count(sentence)) == (2, 1), said
        assert words in said
    code, said = told(["doctor"], capsys)
    assert (code, said.count(sentence)) == (1, 1), said
    assert words in said
    for name in ["", *commands.commands]:
        code, said = told([*name.split(), "--help"], capsys)
        assert (code, "Usage: ./run_pipeline.py" in said) == (0, True), said


@pytest.mark.usefixtures("settings")
def test_a_file_of_an_earlier_version_is_named_with_the_new_one(
    contract_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (contract_folder / "sources.toml").touch()
    code, said = told(["full"], capsys)
    assert code == 2
    assert "lib/contracts/sources.toml is no longer read: move" in said
    assert "to lib/contracts/sources.yml" in said


def test_a_slip_of_the_finger_is_met_with_what_was_meant() -> None:
    ended = run("stauts")
    assert ended.returncode == 2
    assert "Did you mean 'status'?" in ended.stderr
    assert "Did you mean 'installments'?" in run("instalments").stderr


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_comes_with_what_to_type_next(kind: type[errors.CredixError]) -> None:
    command = next_command(kind("It went wrong."))
    assert command is not None
    name = command.split()[1]
    assert name.rstrip(",") in commands.commands
    assert next_command(kind("It went wrong: ./run_pipeline.py up mends it.")) is None


def test_an_error_names_the_next_command_on_stderr() -> None:
    ended = run("status", "--env", "nowhere")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "Next: ./run_pipeline.py doctor" in ended.stderr
    assert "More: docs/how-to/troubleshoot.md, SettingsError" in ended.stderr


def test_nothing_is_deleted_where_nobody_can_be_asked(tmp_path: Path) -> None:
    ended = run("reset", CREDIX_LOCAL_DIR=str(tmp_path))
    assert ended.returncode == 2
    assert "give --yes" in ended.stderr


ANSWERS = {
    "status": ["status", "--json"],
    "runs": ["runs", "--json"],
    "doctor": ["doctor", "--json"],
    "schedule": ["schedule", "--list", "--json"],
}


@pytest.mark.usefixtures("warehouse", "settings")
@pytest.mark.parametrize("name", ANSWERS)
def test_json_is_all_that_stands_on_stdout(name: str, tables: dict[str, Table]) -> None:
    tables["cnpj_ws"].insert()
    ended = CliRunner().invoke(commands, ANSWERS[name])
    assert isinstance(json.loads(ended.stdout), list), ended.output


def test_a_run_tells_programs_its_manifest_and_people_its_progress(
    settings: Settings, warehouse: Warehouse, tables: dict[str, Table], tmp_path: Path
) -> None:
    assert warehouse
    tables["cnpj_ws"].insert()
    ended = run("run", "cnpj", "-p", "layers", '["bronze"]', "--json", HOME=str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    manifest = json.loads(ended.stdout)
    assert (manifest["status"], manifest["job"]) == ("done", "cnpj")
    assert manifest["archive"].startswith(f"gs://{settings.archive_bucket}/")
    assert "01_extract    cnpj_ws" in ended.stderr
    assert mending("reconcile", "--source", "cnpj_ws")[0]["equal"] is True
    for name, arguments in MENDING.items():
        period = (
            ["--from", "2000-01-01", "--to", "2999-12-31"] if name in ("backfill", "replay") else []
        )
        answer = mending(name, *arguments, *period)
        assert (answer["source"], answer["done"]) == ("cnpj_ws", False)
    moved = mending("rewind", "--source", "cnpj_ws", "--to", "none", "--yes")
    assert (moved["rows"], moved["done"]) == (1, True)


MENDING = {
    "backfill": ["--source", "cnpj_ws"],
    "rewind": ["--source", "cnpj_ws", "--to", "none"],
    "replay": ["--source", "cnpj_ws"],
    "evolve": ["cnpj_ws"],
}


def mending(*arguments: str) -> Any:
    """The JSON of a command that mends, told within this process."""
    ended = CliRunner().invoke(commands, [*arguments, "--json"], catch_exceptions=False)
    return json.loads(ended.stdout)


@pytest.mark.usefixtures("settings")
def test_a_pipe_gets_no_colours() -> None:
    ended = run("doctor")
    assert "✔ python" in ended.stdout
    assert "\x1b" not in ended.stdout + ended.stderr


def test_a_package_that_is_missing_is_named_with_what_lays_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacking(**_: object) -> None:
        raise ModuleNotFoundError("No module named 'duckdb'", name="duckdb")

    monkeypatch.setattr("credix.cli.main.commands", lacking)
    monkeypatch.setattr("sys.excepthook", sys.excepthook)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit, match="2"):
        main.main()
    told = capsys.readouterr().err
    assert "The package duckdb is not installed." in told
    assert "Next: make install" in told


def test_a_narrow_terminal_cuts_off_no_id_and_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = StringIO()
    monkeypatch.setattr(terminal, "console", Console(file=shown, width=40, soft_wrap=True))
    run_id = "20260331T101500Z-full-1f2e3d"
    terminal.print_table("Runs", ["run_id", "rows", "error"], [[run_id, 210_000, "It failed."]])
    [line] = [line for line in shown.getvalue().splitlines() if run_id in line]
    assert "210,000" in line
    assert "It failed." in line
