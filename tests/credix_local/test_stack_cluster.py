"""Which PostgreSQL serves a data folder, and where the folder lies."""

import os
import subprocess
from pathlib import Path

import pytest

from credix.core.errors import StackError
from credix_local import cluster
from credix_local.cluster import Binaries

WHEEL = Binaries("embedded", 18, Path("/wheel"))
DEBIAN = Binaries("debian", 15, Path("/debian"))


def made_by(home: Path, binaries: Binaries) -> Path:
    (home / "data").mkdir()
    (home / "data" / "PG_VERSION").write_text(f"{binaries.major}\n")
    (home / cluster.MADE_BY).write_text(binaries.kind)
    return home


def test_new_data_is_made_by_the_first_that_is_installed(tmp_path: Path) -> None:
    assert cluster.choose_binaries(tmp_path, [WHEEL, DEBIAN]) == WHEEL


def test_existing_data_stays_with_the_binaries_that_made_it(tmp_path: Path) -> None:
    assert cluster.choose_binaries(made_by(tmp_path, DEBIAN), [WHEEL, DEBIAN]) == DEBIAN


@pytest.mark.parametrize("installed", [[DEBIAN], [Binaries("debian", 18, Path("/other"))], []])
def test_existing_data_is_never_given_to_other_binaries(
    tmp_path: Path, installed: list[Binaries]
) -> None:
    with pytest.raises(StackError, match=r"made by PostgreSQL 18 \(embedded\).*reset the stack"):
        cluster.choose_binaries(made_by(tmp_path, WHEEL), installed)


def test_without_any_postgres_the_way_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="pip install"):
        cluster.choose_binaries(tmp_path, [])


def test_the_wheels_binaries_run_from_a_copy(tmp_path: Path) -> None:
    copy = cluster.copy_binaries(cluster.find_binaries()[0], tmp_path)
    assert copy.programs.is_relative_to(tmp_path)
    for program in ("postgres", "initdb"):
        shown = subprocess.run([copy.programs / program, "--version"], capture_output=True)
        assert b"18." in shown.stdout
    assert cluster.copy_binaries(cluster.find_binaries()[0], tmp_path) == copy


def test_data_that_is_older_than_a_setting_gets_it_once(tmp_path: Path) -> None:
    (tmp_path / "postgresql.conf").write_text("wal_level = replica\n")
    cluster.configure(tmp_path)
    cluster.configure(tmp_path)
    assert (tmp_path / "postgresql.conf").read_text() == "wal_level = replica\n" + cluster.SETTINGS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives its data folder to another account")
def test_the_data_of_root_lies_where_its_account_can_reach_it(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    assert cluster.choose_home(private, "name") == cluster.OUTSIDE / "name"
    assert not (private / "postgres").exists()
