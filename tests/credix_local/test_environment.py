"""A command gets a stack that has its buckets, whenever an earlier one was ended."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from credix.cli import main
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.errors import SettingsError, StackError
from credix.core.settings import Settings
from credix.operations import environment
from credix_local import stack


@pytest.fixture
def local_folder(
    own_folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A running stack of Google's two servers, as a start leaves it that is killed just then."""
    for variable in stack.start(own_folder, with_postgres=False).variables:
        if not variable.startswith("POSTGRES"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("CREDIX_LOCAL_DIR", str(own_folder))
    monkeypatch.setenv("CREDIX_LAKE_BUCKET", f"lake-{settings.postgres_schema}".replace("_", "-"))
    yield own_folder
    (own_folder / environment.PROVISIONED).unlink(missing_ok=True)


def has_lake() -> bool:
    settings = Settings.load()
    try:
        Lake(settings, Effects()).require_bucket(settings.lake_bucket)
    except SettingsError:
        return False
    return True


def delete_lake() -> None:
    settings = Settings.load()
    Lake(settings, Effects())._client.bucket(settings.lake_bucket).delete()
    assert not has_lake()


def test_what_a_killed_start_left_undone_is_made_by_the_next(local_folder: Path) -> None:
    assert not has_lake()
    environment.start_stack(None, print)
    assert has_lake()
    assert (local_folder / environment.PROVISIONED).exists()


def test_a_start_that_could_not_make_everything_is_repeated(
    local_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise SettingsError("BigQuery is full.")

    with monkeypatch.context() as context:
        context.setattr("credix.clients.provision.provision_warehouse", refuse)
        with pytest.raises(SettingsError, match="BigQuery is full"):
            environment.start_stack(None, print)
    assert not (local_folder / environment.PROVISIONED).exists()
    delete_lake()
    environment.start_stack(None, print)
    assert has_lake()


@pytest.mark.usefixtures("local_folder")
def test_only_the_command_up_looks_again_for_what_was_made_once() -> None:
    environment.start_stack(None, print)
    delete_lake()
    environment.start_stack(None, print)
    assert not has_lake()
    main.commands(["up"], standalone_mode=False)
    assert has_lake()


def test_where_there_is_no_psql_the_shell_gets_the_embedded_one(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stack, "variables", lambda _: variables)
    monkeypatch.setenv("PATH", str(tmp_path))
    told = environment.stack_variables()
    first, last = told["PATH"].split(os.pathsep)
    assert first == str(tmp_path)
    ended = subprocess.run(
        [f"{last}/psql", "--no-psqlrc", "-Atc", "select 6 * 7"],
        env=told,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("42\n", "")
    (tmp_path / "psql").touch(0o755)
    assert "PATH" not in environment.stack_variables()


def test_where_the_settings_name_the_servers_there_are_no_embedded_ones_to_print(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a container: `up` would be no way out."""
    monkeypatch.setenv("CREDIX_LOCAL_DIR", str(tmp_path))
    for name in (*environment.POSTGRES, *environment.GOOGLE):
        monkeypatch.setenv(name, "elsewhere")
    with pytest.raises(SettingsError, match="no embedded ones"):
        environment.stack_variables()
    for name in (*environment.POSTGRES, *environment.GOOGLE):
        monkeypatch.delenv(name)
    with pytest.raises(StackError, match=r"run_pipeline\.py up"):
        environment.stack_variables()
