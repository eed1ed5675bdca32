"""Parts on disk: kept while somebody may need them, and no longer."""

from pathlib import Path
from typing import Any

import pytest

from credix.core.settings import Settings
from credix.pipeline.clear_parts import clear_parts, clear_superseded
from credix.state.run import build_run, describe, write_value


def test_all_parts_of_the_source_go_and_everything_else_stays(tmp_path: Path) -> None:
    gone = [
        tmp_path / folder / "installments" / "parts" / "0.parquet"
        for folder in ("", "slices/0002", "slices/0003/repair")
    ]
    gone.append(tmp_path / "installments" / "rereads.parquet")
    kept = [
        tmp_path / "installments" / "01_extract.json",
        tmp_path / "cnpj_ws" / "parts" / "0.parquet",
        tmp_path / "01_extract.installments.ipynb",
    ]
    for path in gone + kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")

    clear_parts(tmp_path, "installments")

    assert [path for path in gone + kept if path.exists()] == kept
    clear_parts(tmp_path / "of another machine", "installments")


@pytest.fixture
def settings() -> Settings:
    names = ("HOST", "DB", "USER", "PASSWORD")
    return Settings.parse({"GCP_PROJECT": "p", **{f"POSTGRES_{name}": "x" for name in names}})


def leave_parts(settings: Settings, run_id: str, attempt: int, **known: Any) -> Path:
    """A run of installments that has left a part on this disk, whatever became of it."""
    run = build_run(settings, run_id, settings.run_dir / run_id, "installments", attempt, None, "x")
    part = run.source_folder / "parts" / "0.parquet"
    part.parent.mkdir(parents=True)
    part.write_text("x")
    write_value(run.source_folder / "run.json", describe(run).model_copy(update=known))
    return part


def test_a_new_attempt_clears_what_every_earlier_one_has_left(
    settings: Settings, tmp_path: Path
) -> None:
    own = settings.model_copy(update={"run_dir": tmp_path})
    gone = [leave_parts(own, f"{number}", number) for number in (1, 2, 5)]
    other = own.with_prefix("another")
    kept = [
        leave_parts(own, "itself", 6),
        leave_parts(own, "successor", 7),
        leave_parts(own, "sandbox", 1, is_sandbox=True),
        leave_parts(other, "of another prefix", 1),
    ]
    damaged = leave_parts(own, "damaged", 1)
    (damaged.parents[1] / "run.json").write_text("{")

    clear_superseded(own, "installments", 6)
    clear_superseded(own, "cnpj_ws", 100)

    assert [path for path in gone if path.exists()] == []
    assert [path for path in [*kept, damaged] if path.exists()] == [*kept, damaged]
