"""Files that are brought are found, or one sentence says which, and why not."""

import re
from pathlib import Path

import pytest

from credix.core.errors import DataError
from credix.operations.loading.source_files import find_files, open_parquet
from tests.other_user import as_another_user, folder_for_all


def test_a_file_that_may_not_be_read_is_not_called_damaged() -> None:
    with folder_for_all() as folder:
        file = folder / "cnpj_ws.parquet"
        file.touch(0o000)
        with (
            as_another_user(),
            pytest.raises(DataError, match=f"may not read {re.escape(str(file))}: chmod"),
            open_parquet(find_files([folder])["cnpj_ws"]),
        ):
            pass


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_folder_that_may_not_be_looked_into_is_not_called_empty(inside: str) -> None:
    with folder_for_all() as folder:
        closed = folder / "closed"
        closed.mkdir()
        (closed / "cnpj_ws.parquet").touch()
        closed.chmod(0o000)
        with (
            as_another_user(),
            pytest.raises(DataError, match=f"may not look into {re.escape(str(closed))}"),
        ):
            find_files([closed / inside])


def test_two_files_of_one_source_are_refused_by_name(tmp_path: Path) -> None:
    names = ("business_case_cnpj_ws.parquet", "cnpj_ws.parquet")
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(DataError, match="cnpj_ws has two files") as caught:
        find_files([tmp_path])
    assert all(str(tmp_path / name) in str(caught.value) for name in names)


def test_a_file_that_is_named_twice_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "cnpj_ws.parquet").touch()
    (tmp_path / "notes.txt").touch()
    found = find_files([tmp_path, tmp_path / "cnpj_ws.parquet"])
    assert found == {"cnpj_ws": tmp_path / "cnpj_ws.parquet"}
