"""Elementary's packages are downloaded whole, or one sentence says why they are not."""

from pathlib import Path

import pytest

from credix.clients.elementary import PACKAGES
from credix.core.errors import TransientError
from credix.core.settings import Settings
from credix.operations import install_elementary as module
from credix.operations.install_elementary import install_elementary


@pytest.fixture
def places(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project of its own, whose packages are not installed."""
    project = tmp_path / "observability"
    project.mkdir()
    monkeypatch.setattr(module, "OBSERVABILITY", project)
    monkeypatch.setattr(module, "INSTALLED", project / "dbt_packages")
    monkeypatch.setattr("credix.clients.elementary.INSTALLED", project / "dbt_packages")
    return settings.model_copy(update={"local_dir": tmp_path / "local"})


def answer(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `dbt` that does what the script says: the real one would ask the hub."""
    dbt = folder / "bin" / "dbt"
    dbt.parent.mkdir()
    dbt.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    dbt.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(dbt.with_name("python")))


BRINGS_ALL = "\n".join(
    f'mkdir -p "$CREDIX_DBT_PACKAGES/{name}"; '
    f'echo "version: 0.25.1" > "$CREDIX_DBT_PACKAGES/{name}/dbt_project.yml"'
    for name in PACKAGES
)
REFUSED = 'echo "Error reaching hub.getdbt.com: connection refused."; exit 1'


def test_packages_are_installed_once(
    places: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(tmp_path, BRINGS_ALL, monkeypatch)
    told: list[str] = []
    install_elementary(places, told.append)
    install_elementary(places, told.append)
    assert told[0].startswith("Installed Elementary")
    assert told[1].startswith("Elementary is installed")
    installed = tmp_path / "observability" / "dbt_packages"
    assert {path.name for path in installed.iterdir()} == set(PACKAGES)


def test_where_the_network_says_no_nothing_is_left_and_a_way_out_is_named(
    places: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(tmp_path, f"{BRINGS_ALL}\n{REFUSED}", monkeypatch)
    with pytest.raises(TransientError, match=r"connection refused\. .* CREDIX_ELEMENTARY_PACKAGES"):
        install_elementary(places, print)
    assert not (tmp_path / "observability" / "dbt_packages").exists()


def test_a_try_that_failed_is_told_and_not_made_again(
    places: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(tmp_path, REFUSED, monkeypatch)
    told: list[str] = []
    for _ in range(2):
        install_elementary(places, told.append, best_effort=True)
    assert len(told) == 1
    assert "connection refused" in told[0]


def test_a_hub_that_never_answers_costs_no_more_than_the_bound(
    places: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(tmp_path, "exec sleep 30", monkeypatch)
    monkeypatch.setattr(module, "SECONDS", 0.5)
    with pytest.raises(TransientError, match="did not end within"):
        install_elementary(places, print)
