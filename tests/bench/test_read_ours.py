"""What is measured is the product's own way to Parquet, and the whole table."""

from pathlib import Path

import pytest
from bench import read_ours
from bench.extraction import run_child

from credix.core.settings import Settings
from tests.tables import Table


@pytest.fixture
def filled(tables: dict[str, Table]) -> Table:
    table = tables["installments"]
    for number in range(20):
        table.insert(asset_id=f"a{number}")
    return table


@pytest.mark.usefixtures("filled")
def test_both_read_every_row(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ours, "WORK", tmp_path)
    assert read_ours.copy(settings)["rows"] == 20
    found = read_ours.ours(settings)
    assert found["rows"] == 20
    [part] = (tmp_path / "extracted").glob("installments/parts/*.parquet")
    assert found["bytes"] == part.stat().st_size > 0


def test_a_child_that_fails_is_an_error_with_its_words() -> None:
    with pytest.raises(RuntimeError, match="no such reader"):
        run_child(["python3", "-c", "raise SystemExit('no such reader')"], {})
