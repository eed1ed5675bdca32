"""The notebooks as an analyst runs them: one after the other, with their defaults."""

import subprocess
import sys
from typing import Any

import pytest

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.gcs.lake import Lake
from credix.core.jobs import NOTEBOOKS
from credix.core.paths import paths_of
from credix.core.settings import PROJECT_DIR, Settings
from credix.state.run import sandbox_settings
from credix.state.states import SourceState
from credix.state.store import StateStore
from tests.browser import CHROMIUM
from tests.tables import Table


@pytest.mark.skipif(CHROMIUM is not None, reason="test_in_a_browser runs the same cells")
@pytest.mark.usefixtures("warehouse")
def test_run_all_by_hand_works_twice_and_leaves_the_real_pipeline_alone(
    settings: Settings, lake: Lake, warehouse: Warehouse, tables: dict[str, Table]
) -> None:
    tables["cnpj_ws"].insert()
    for number in range(20):
        tables["installments"].insert(asset_id=f"a{number}")

    assert_all_cells_pass("notebooks")
    # The other two only read.
    assert_all_cells_pass(*sorted(map(str, NOTEBOOKS.glob("0[1-5]_*.ipynb"))))

    untouched = SourceState(source="installments")
    assert StateStore(settings, lake).read_source("installments") == untouched
    assert lake.objects(settings.lake_bucket, paths_of(settings).landing) == []
    assert warehouse.columns("bronze", "installments") is None
    sandbox = Warehouse(sandbox_settings(settings), warehouse.effects)
    table = sandbox.table_id("gold", "payment_analytics_detailed")
    assert sandbox.query(f"SELECT count(*) AS n FROM `{table}`") == [{"n": 20}]


def assert_all_cells_pass(*notebooks: str) -> None:
    """Every cell of these, each notebook in a kernel of its own."""
    command: list[Any] = [sys.executable, "-m", "pytest", "--nbval-lax", *notebooks]
    found = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-3000:]
