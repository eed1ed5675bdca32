"""What a person asks of the data: files, rows, one key's history, two runs; people masked."""

import pandas as pd
import pytest

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.gcs.lake import Lake
from credix.core.errors import SettingsError
from credix.core.settings import Settings
from credix.workbook.explore import Explorer, open_explorer
from credix.workbook.show import window
from tests.runs_by_hand import carry
from tests.tables import COMPANY, Table

pytestmark = pytest.mark.usefixtures("warehouse")
NAME = COMPANY["legal_name"]


@pytest.fixture
def explorer(settings: Settings) -> Explorer:
    return Explorer(settings, shows_personal_data=False)


def texts_of(frame: pd.DataFrame) -> str:
    return frame.to_csv()


def test_one_key_is_followed_through_every_run_that_carried_it(
    settings: Settings, tables: dict[str, Table], explorer: Explorer
) -> None:
    table = tables["installments"]
    for number in range(20):
        table.insert(asset_id=f"a{number}")
    runs = [carry(settings, "installments")]
    table.execute("UPDATE {table} SET paid_amount_in_cents = 7 WHERE asset_id = 'a1'")
    runs.append(carry(settings, "installments"))
    table.execute("DELETE FROM {table} WHERE asset_id = 'a1'")
    runs.append(carry(settings, "installments", allow_deletes=True))
    table.insert(asset_id="a1")
    runs.append(carry(settings, "installments"))

    found = explorer.history("installments", "a1")

    assert list(found["change"]) == [
        "first seen",
        "changed: paid_amount_in_cents",
        "deleted",
        "back",
    ]
    assert list(found["run"]) == [run.run_id for run in runs]
    assert list(found["_seq"]) == [run.attempt for run in runs]
    assert list(found["paid_amount_in_cents"]) == [None, 7, None, None]
    assert all(found["merged"])
    assert set(found["file"]) <= set(explorer.files("installments")["file"])


def test_two_runs_are_compared_by_key_and_column(
    settings: Settings, tables: dict[str, Table], explorer: Explorer
) -> None:
    table = tables["installments"]
    for number in range(30):
        table.insert(asset_id=f"a{number:02}")
    first = carry(settings, "installments")
    table.execute("UPDATE {table} SET payment_method = 'PIX' WHERE asset_id = 'a03'")
    table.execute("DELETE FROM {table} WHERE asset_id = 'a04'")
    carry(settings, "installments", allow_deletes=True)
    table.execute("UPDATE {table} SET payment_method = 'TED' WHERE asset_id = 'a05'")
    table.insert(asset_id="a99")
    last = carry(settings, "installments")

    lately = explorer.compare_runs("installments")
    in_all = explorer.compare_runs("installments", first.run_id, last.run_id)

    new = ["a99", "new", "", None, None]
    assert lately.values.tolist() == [["a05", "changed", "payment_method", "BOLETO", "TED"], new]
    assert in_all.values.tolist() == [
        ["a03", "changed", "payment_method", "BOLETO", "PIX"],
        ["a04", "deleted", "", None, None],
        ["a05", "changed", "payment_method", "BOLETO", "TED"],
        new,
    ]
    assert len(explorer.compare_runs("installments", first.run_id, last.run_id, limit=1)) == 1


def test_people_are_masked_wherever_they_lie_unless_somebody_asks(
    settings: Settings, tables: dict[str, Table], explorer: Explorer
) -> None:
    tables["cnpj_ws"].insert(email=None)
    carry(settings, "cnpj_ws")
    tables["cnpj_ws"].execute("UPDATE {table} SET legal_name = 'Another ' || legal_name")
    carry(settings, "cnpj_ws")
    key = COMPANY["cnpj"]

    def answers(explorer: Explorer) -> dict[str, pd.DataFrame]:
        return {
            "files": explorer.sql("SELECT * FROM cnpj_ws_files"),
            "alias": explorer.sql("SELECT legal_name AS harmless FROM cnpj_ws_files"),
            "bronze": explorer.table("bronze", "cnpj_ws").to_pandas(),
            "history": explorer.history("cnpj_ws", key),
            "difference": explorer.compare_runs("cnpj_ws"),
        }

    masked = answers(explorer)
    assert {name for name, frame in masked.items() if NAME in texts_of(frame)} == set()
    assert masked["history"]["change"].iloc[1] == "changed: legal_name"
    assert masked["bronze"]["email"].isna().all()
    assert list(masked["bronze"]["phone"]) == ["masked"]

    shown = answers(Explorer(settings, shows_personal_data=True))
    assert {name for name, frame in shown.items() if NAME not in texts_of(frame)} == set()


def test_a_table_is_read_in_the_asked_columns_rows_and_number(
    settings: Settings, tables: dict[str, Table], explorer: Explorer
) -> None:
    for number in range(50):
        tables["installments"].insert(asset_id=f"a{number}", installment_number=number)
    carry(settings, "installments")

    found = explorer.table("bronze", "installments", ["asset_id"], "installment_number >= 40")
    assert found.column_names == ["asset_id"]
    assert sorted(map(str, found["asset_id"].to_pylist())) == [
        f"a{number}" for number in range(40, 50)
    ]
    assert explorer.table("bronze", "installments", limit=7).num_rows == 7
    counted = explorer.sql("SELECT count(*) AS n FROM rows", rows=found)
    assert counted["n"].tolist() == [10]


def test_files_of_runs_that_bronze_never_took_are_told_apart(
    settings: Settings, tables: dict[str, Table], lake: Lake, explorer: Explorer
) -> None:
    tables["installments"].insert()
    run = carry(settings, "installments")
    assert explorer.files("installments")[["folder", "run", "rows", "merged"]].values.tolist() == [
        ["archive", run.run_id, 1, True]
    ]
    record = f"{settings.prefix}/merged/installments/{run.attempt:012d}.json"
    lake.delete("test.forget", settings.archive_bucket, record)
    assert explorer.files("installments")["merged"].tolist() == [False]
    assert explorer.compare_runs("installments").empty


def test_where_nothing_has_run_yet_there_is_nothing_to_see(
    explorer: Explorer, tables: dict[str, Table]
) -> None:
    assert tables
    assert explorer.files("installments").empty
    assert explorer.history("installments").empty
    assert explorer.compare_runs("installments").empty
    assert explorer.last_run().empty
    assert explorer.tables().empty
    assert explorer.sql("SELECT count(*) AS n FROM installments_files")["n"].tolist() == [0]
    assert "No run has ended yet" in explorer.describe_last_run()
    assert set(explorer.sources()["status"]) == {"never run"}
    assert open_explorer(sandbox=None).settings.prefix == explorer.settings.prefix


FAULTS = {
    "There is no source 'orders'": lambda e: e.files("orders"),
    "There is no layer 'brass'": lambda e: e.table("brass", "installments"),
    "There is no table gold.nothing": lambda e: e.table("gold", "nothing"),
    "has no column colour. It has: asset_id": lambda e: e.table(
        "temp", "installments_schema", ["colour"]
    ),
    "or correct the condition colour = 1": lambda e: e.table(
        "temp", "installments_schema", where="colour = 1"
    ),
    r"The key of installments is \(asset_id\)": lambda e: e.history("installments", "a", "b"),
    "DuckDB does not take this": lambda e: e.sql("SELECT nonsense FROM nowhere"),
    "'yesterday' is no run": lambda e: e.compare_runs("installments", "yesterday", "today"),
    "is not older than": lambda e: e.compare_runs(
        "installments", "20260402T000000Z-full-b", "20260401T000000Z-full-a"
    ),
}


@pytest.mark.parametrize("told", FAULTS)
def test_a_question_without_an_answer_is_told_with_what_there_is(
    told: str, explorer: Explorer
) -> None:
    with pytest.raises(SettingsError, match=told):
        FAULTS[told](explorer)


def test_the_sandbox_is_asked_on_request(settings: Settings) -> None:
    assert open_explorer().settings.prefix == settings.prefix
    assert open_explorer(sandbox=True).settings.prefix == f"sandbox_{settings.prefix}"


def test_asking_changes_nothing(
    settings: Settings, tables: dict[str, Table], lake: Lake, warehouse: Warehouse
) -> None:
    tables["installments"].insert()
    carry(settings, "installments")
    before = [
        lake.objects(bucket, "") for bucket in (settings.lake_bucket, settings.archive_bucket)
    ]
    tables_before = warehouse.tables("temp", "")
    explorer = open_explorer()
    explorer.history("installments", "a1")
    explorer.table("bronze", "installments")
    explorer.sql("SELECT count(*) FROM installments_files")
    after = [lake.objects(bucket, "") for bucket in (settings.lake_bucket, settings.archive_bucket)]
    assert [[(b.name, b.generation) for b in blobs] for blobs in after] == [
        [(b.name, b.generation) for b in blobs] for blobs in before
    ]
    assert explorer.effects.records == []
    assert warehouse.tables("temp", "") == tables_before


def test_a_long_table_is_cut_and_says_so() -> None:
    frame = pd.DataFrame({"n": range(1200), "text": ["<b>&</b>"] * 1200})
    html = window(frame, "Numbers").data
    assert "Numbers: the first 1,000 of 1,200 rows" in html
    assert "overflow: auto" in html
    assert "<b>&" not in html
    assert html.count("<tr>") == 1001
