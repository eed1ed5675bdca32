"""JupyterLab as a process: its port, its files, what it says when it cannot start."""

import os
import socket
from pathlib import Path
from typing import Any

import nbformat
import pytest

from credix.core.errors import SettingsError, StackError
from credix.core.settings import PROJECT_DIR, Settings
from credix.operations import lab as module
from credix.operations.lab import LOOPBACK, OWN, Lab, choose_port, command, forget_outputs

NOTEBOOKS = PROJECT_DIR / "notebooks"


def test_a_port_that_is_taken_is_refused_or_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"Port {port} is taken.*--port"):
            choose_port(port)
        monkeypatch.setattr(module, "FIRST_PORT", port)
        monkeypatch.setattr(module, "LAST_PORT", port + 50)
        assert port < choose_port(None) < port + 50
        monkeypatch.setattr(module, "LAST_PORT", port + 1)
        with pytest.raises(SettingsError, match="name another with --port"):
            choose_port(None)


def test_a_lab_that_cannot_start_shows_the_end_of_its_log_and_no_secret(
    settings: Settings, tmp_path: Path
) -> None:
    elsewhere = settings.model_copy(update={"local_dir": tmp_path})
    broken = {**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path), "JUPYTER_PLATFORM_DIRS": "0"}
    (tmp_path / "jupyter_server_config.py").write_text("raise SystemExit('the cause')", "utf-8")
    with pytest.raises(StackError, match=r"(?s)JupyterLab did not start.*the cause") as caught:
        Lab.start(elsewhere, None, broken)
    assert settings.postgres_password.get_secret_value() not in str(caught.value)


@pytest.mark.parametrize("ip", [LOOPBACK, "0.0.0.0"])
def test_it_listens_where_it_is_told_to(tmp_path: Path, ip: str) -> None:
    assert f"--ServerApp.ip={ip}" in command(1, tmp_path, ip)


def executed(name: str) -> dict[str, Any]:
    """What JupyterLab is about to save after Run All."""
    content = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    content.metadata["language_info"] = {"name": "python", "version": "3.13.1"}
    for number, cell in enumerate(content.cells, 1):
        if cell.cell_type == "code":
            cell.execution_count = number
            cell.metadata["execution"] = {"iopub.status.busy": "now"}
            cell.outputs = [nbformat.v4.new_output("stream", text="a row")]
    return {"type": "notebook", "content": content}


def test_the_project_s_notebooks_are_all_known() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == OWN


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_notebook_of_the_project_is_saved_as_git_has_it(name: str) -> None:
    model = executed(name)
    forget_outputs(model=model, path=f"notebooks/{name}.ipynb", contents_manager=None)
    assert model["content"] == nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


@pytest.mark.parametrize("path", ["notebooks/mine.ipynb", "elsewhere/01_extract.ipynb"])
def test_a_notebook_of_somebody_s_own_keeps_its_outputs(path: str) -> None:
    model = executed("01_extract")
    forget_outputs(model=model, path=path, contents_manager=None)
    assert any(cell.get("outputs") for cell in model["content"].cells)
