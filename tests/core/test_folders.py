"""A folder that cannot be written is one sentence with a way out, never a traceback."""

from pathlib import Path

import pytest

from credix.core.disk import make_folder
from credix.core.errors import SettingsError
from credix.core.settings import Settings
from credix.operations import install_elementary as elementary
from credix.operations.lab import Lab
from credix_local import stack
from credix_local.bigquery import server
from credix_local.demo.__main__ import main as make_demo_data
from credix_local.demo.seed import seed
from tests.other_user import as_another_user, folder_for_all


def test_another_user_s_folder_is_named_with_the_way_out() -> None:
    with (
        folder_for_all() as folder,
        as_another_user(),
    ):
        folder_of_root = folder if folder.owner() == "root" else Path("/")
        for unwritable in (folder_of_root, folder_of_root / "new"):
            with pytest.raises(SettingsError, match=f"{unwritable} cannot be .*: chown it"):
                make_folder(unwritable, "chown it")


def test_every_writer_says_so(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    below_a_file = tmp_path / "file" / "local"
    elsewhere = settings.model_copy(update={"local_dir": below_a_file})
    said = f"{below_a_file}.* cannot be written .*CREDIX_LOCAL_DIR"
    with pytest.raises(SettingsError, match=said):
        stack.start(below_a_file)
    with pytest.raises(SettingsError, match=said):
        Lab.start(elsewhere, None, {})
    with pytest.raises(SettingsError, match=said):
        seed(elsewhere, 1, 1, 1, print, replace=False)
    monkeypatch.setattr(elementary, "OBSERVABILITY", below_a_file)
    with pytest.raises(SettingsError, match=r"cannot be written .*CREDIX_ELEMENTARY_PACKAGES"):
        elementary.download()
    assert make_demo_data([str(below_a_file)]) == 2
    assert "name another one" in capsys.readouterr().err
    command = ["", "--data", str(below_a_file), "--objects", "x", "--port", "1", "--grpc-port", "2"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit, match=r"cannot be written .*user of this server"):
        server.main()
