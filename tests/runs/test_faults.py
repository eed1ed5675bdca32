"""Death at every side effect of a run, by `kill -9`: the next run gets there all the same."""

import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

from credix.clients.lake import Lake
from credix.clients.state_store import StateStore
from credix.clients.warehouse import Warehouse
from credix.paths import is_hashed_table, paths_of
from credix.settings import PROJECT_DIR, Settings
from tests.conftest import connected
from tests.runs_by_hand import carry
from tests.tables import Table, bronze_rows

# Dying before an effect is dying after the one before it, so each boundary stands here once.
POINTS = [
    "state.raise_fence:after",
    "lake.upload:after",
    "warehouse.load_hashed:after",
    "warehouse.load_stable:after",
    "lake.archive:after",
    "bronze.merge:after",
    "state.commit:after",
    "warehouse.drop:after",
]


@pytest.fixture
def company(tables: dict[str, Table], warehouse: Warehouse) -> Table:
    """A company table of which bronze holds an earlier version."""
    table = tables["cnpj_ws"]
    for number in range(5):
        table.insert(cnpj=f"1122233300018{number}")
    carry(warehouse.settings, "cnpj_ws")
    table.execute("UPDATE {table} SET city = 'Santos' WHERE cnpj LIKE '%1'")
    table.insert(cnpj="11222333000189")
    return table


@pytest.mark.parametrize("point", POINTS)
def test_wherever_a_run_dies_the_next_one_makes_bronze_equal_the_source(
    settings: Settings, warehouse: Warehouse, lake: Lake, company: Table, point: str
) -> None:
    die(settings, point)
    state = StateStore(settings, lake).read_source("cnpj_ws")
    if state.committed_seq == 2:
        assert bronze_rows(warehouse, company) == company.rows(), "the watermark is ahead of bronze"
    company.execute("UPDATE {table} SET city = 'Campinas' WHERE cnpj LIKE '%2'")

    carry(settings, "cnpj_ws")

    assert bronze_rows(warehouse, company) == company.rows()
    assert places_of_files(lake).most_common(1)[0][1] == 1
    assert lake.blobs(settings.lake_bucket, paths_of(settings).landing) == []
    leftovers = warehouse.tables("temp", "cnpj_ws_")
    assert not [table for table in leftovers if is_hashed_table(table, company.source)]


def test_a_value_set_back_after_a_merge_that_was_never_committed_is_carried(
    settings: Settings, warehouse: Warehouse, tables: dict[str, Table]
) -> None:
    company = tables["cnpj_ws"]
    with connected(settings) as open_writer, open_writer.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
        company.insert(city="Santos")
        carry(settings, "cnpj_ws")  # will read the row again: the open writer holds it back
        company.execute("UPDATE {table} SET city = 'Campinas'")
        die(settings, "bronze.merge:after")
        company.execute("UPDATE {table} SET city = 'Santos'")

        carry(settings, "cnpj_ws")

    assert bronze_rows(warehouse, company) == company.rows()


def die(settings: Settings, point: str) -> None:
    """Carry the source in a process that ends at this point as by `kill -9`."""
    died = subprocess.run(
        [sys.executable, "-m", "tests.carry", "cnpj_ws"],
        cwd=PROJECT_DIR,
        env={**os.environ, **settings.variables(), "CREDIX_DIE_AT": point},
        capture_output=True,
        text=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr[-2000:]


def places_of_files(lake: Lake) -> Counter[str]:
    """How many places each landed file lies in."""
    paths, settings = paths_of(lake.settings), lake.settings
    folders = [
        (settings.lake_bucket, paths.landing),
        (settings.lake_bucket, f"{paths.prefix}/failed/"),
        (settings.archive_bucket, f"{paths.prefix}/archive/"),
    ]
    return Counter(
        blob.name.rpartition("/")[2]
        for bucket, folder in folders
        for blob in lake.blobs(bucket, folder)
    )
