"""Canaries: no personal value and no secret is in what a run leaves for people to read."""

import json
import shutil
import sys
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import nbformat
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from credix.cli import main
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.gcs.lake import Lake
from credix.core.jobs import NOTEBOOKS
from credix.core.paths import paths_of
from credix.core.settings import Settings
from tests.receiver import Receiver
from tests.runs_by_hand import carry
from tests.tables import Table

PEOPLE = 17
TOKEN = "t0ken-canary-4711"
KEY = "k3y-canary-4711"
# Rows themselves: landed, archived and merged files, which only the pipeline's identities read.
OF_ROWS = ".parquet"
# What other software says of a value that it could not use.
FAULTS = {
    "PostgreSQL's details": (
        "import psycopg2\n"
        "from credix.core.settings import Settings\n"
        "s = Settings.load()\n"
        "c = psycopg2.connect(host=s.postgres_host, port=s.postgres_port, dbname=s.postgres_db,\n"
        "    user=s.postgres_user, password=s.postgres_password.get_secret_value()).cursor()\n"
        "table = f'{s.postgres_schema}.business_case_cnpj_ws'\n"
        "c.execute(f'CREATE TEMP TABLE t AS SELECT * FROM {table}')\n"
        "c.execute('CREATE UNIQUE INDEX ON t (email)')\n"
        "c.execute(f'INSERT INTO t SELECT * FROM {table}')\n"
    ),
    "BigQuery's conversion": (
        "table = run.warehouse.table_id('bronze', 'cnpj_ws')\n"
        "run.warehouse.query_arrow(f'SELECT CAST(legal_name AS INT64) AS n FROM `{table}`')\n"
    ),
    "a fault of the product": (
        "import pandas as pd\n"
        "table = run.warehouse.table_id('bronze', 'cnpj_ws')\n"
        "names = run.warehouse.query_arrow(f'SELECT legal_name FROM `{table}`').to_pandas()\n"
        "pd.to_numeric(names['legal_name'])\n"
    ),
}


def person(number: int) -> dict[str, str]:
    """The personal columns of a company."""
    return {
        "legal_name": f"Canário Silva {number} ME",
        "email": f"canario.{number}@pessoa.example",
        "phone": f"+55 11 9{number:04d}-4711",
    }


CANARIES = [value for number in range(PEOPLE) for value in person(number).values()]


@pytest.fixture
def told(settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Settings:
    address = f"json://{receiver.address}/{TOKEN}"
    own = {
        "CREDIX_ALERT_URLS": address,
        "CREDIX_OPENLINEAGE_URL": f"http://{receiver.address}",
        "CREDIX_OPENLINEAGE_API_KEY": KEY,
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    return Settings.parse({**settings.variables(), **own})


@pytest.fixture
def people(tables: dict[str, Table], warehouse: Warehouse) -> Table:
    """Companies whose personal columns are canaries, with an installment each."""
    for number in range(PEOPLE):
        cnpj = f"{number:08d}000181"
        tables["cnpj_ws"].insert(cnpj=cnpj, **person(number))
        tables["installments"].insert(asset_id=f"a{number}", buyer_tax_id=cnpj)
    assert warehouse
    return tables["cnpj_ws"]


def plant(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks whose 01 meets a fault, once it has opened its run."""
    shutil.copytree(NOTEBOOKS, folder)
    path = folder / "01_extract.ipynb"
    notebook = nbformat.read(path, as_version=4)
    opened = next(i for i, cell in enumerate(notebook.cells) if "open_run(" in cell.source)
    notebook.cells.insert(opened + 1, nbformat.v4.new_code_cell(code))
    nbformat.write(notebook, path)
    monkeypatch.setattr("credix.pipeline.notebooks.execute.NOTEBOOKS", folder)


def command(
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ends_with: int = 0,
) -> str:
    """What the command line prints, in this process, which keeps its own signals."""
    monkeypatch.setattr("sys.argv", ["run_pipeline.py", *line.split()])
    monkeypatch.setattr("sys.excepthook", sys.excepthook)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    try:
        main.main()
    except SystemExit as ended:
        assert ended.code == ends_with
    else:
        assert ends_with == 0
    return "".join(capsys.readouterr())


def left_behind(settings: Settings, lake: Lake, receiver: Receiver) -> dict[str, str]:
    """Every text that the runs of this prefix left: files, objects, metadata, what was sent."""
    found = {path: "" for path, _ in receiver.messages}
    for path, message in receiver.messages:
        found[path] += str(message)
    for file in settings.run_dir.rglob("*"):
        if file.is_file() and file.suffix != OF_ROWS:
            found[str(file)] = file.read_text("utf-8", errors="replace")
    buckets = (
        settings.lake_bucket,
        settings.archive_bucket,
        settings.runs_bucket,
        settings.report_bucket,
    )
    for bucket in buckets:
        for blob in lake.objects(bucket, settings.prefix):
            found[f"metadata of {blob.name}"] = str(blob.metadata)
            if OF_ROWS not in blob.name:
                found[f"gs://{bucket}/{blob.name}"] = lake.read_bytes(bucket, blob.name).decode()
    return found


def find_leaks(texts: dict[str, str], secrets: Iterable[str]) -> list[tuple[str, str]]:
    """Where which canary or secret stands, as it is or as JSON writes it."""
    return [
        (name, canary)
        for name, text in texts.items()
        for canary in (*CANARIES, *secrets)
        if canary in text or json.dumps(canary)[1:-1] in text
    ]


def test_no_personal_value_and_no_secret_is_left_by_a_good_run_or_a_failed_one(
    told: Settings,
    people: Table,
    lake: Lake,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Installments hold nobody's values: their notebooks would add nothing to search.
    carry(told, "installments")
    printed = [command("run full", monkeypatch, capsys)]
    for number, code in enumerate(FAULTS.values()):
        people.insert(cnpj=f"9{number:07d}000181", **person(number))
        with monkeypatch.context() as patched:
            plant(tmp_path / f"notebooks{number}", code, patched)
            printed.append(command("run cnpj", patched, capsys, ends_with=1))

    texts = {**left_behind(told, lake, receiver), "printed": str(printed)}

    secrets = [told.postgres_password.get_secret_value(), TOKEN, KEY]
    assert find_leaks(texts, secrets) == []
    assert_it_could_have_failed(texts, printed[1:])


def assert_it_could_have_failed(texts: dict[str, str], printed: list[str]) -> None:
    """The faults are those that quote values, and the search saw where they are told."""
    words = ("UniqueViolation", "refused a query", "Unable to parse string")
    for word, message in zip(words, printed, strict=True):
        assert word.lower() in message.lower()
        assert any(word.lower() in text.lower() for name, text in texts.items() if "html" in name)
    assert "Alert" in texts[f"/{TOKEN}"]
    for left in ("/catalog/index.html", "/dbt/logs/dbt.log", "/state/incidents.json"):
        assert any(name.endswith(left) for name in texts), left
    lineage = texts["/api/v1/lineage"]
    assert all(word in lineage for word in ("START", "COMPLETE", "FAIL", "_gold."))


def outside_files(people: Table) -> dict[str, pa.Table]:
    """What an outside writer brings of the same people: one good file, two that quote a value."""
    schema = pa.schema([field.with_nullable(True) for field in people.source.landing_schema])
    own = [field for field in schema if not field.name.startswith("_")]
    rows = pa.Table.from_pylist(list(people.rows().values()), pa.schema(own))
    return {
        "good.parquet": rows,
        "time.parquet": rows.append_column("_committed_at", rows["legal_name"]),
        "word.parquet": rows.append_column("_op", rows["email"]),
    }


def test_no_personal_value_is_left_by_files_from_outside_nor_by_an_erasure(
    told: Settings,
    people: Table,
    lake: Lake,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    carry(told, "cnpj_ws")
    folder = paths_of(told).external("cnpj_ws")
    for name, rows in outside_files(people).items():
        sink = BytesIO()
        pq.write_table(rows, sink)
        blob = lake._client.bucket(told.lake_bucket).blob(f"{folder}{name}")
        blob.upload_from_string(sink.getvalue())
    printed = [command("run cnpj --from-landing", monkeypatch, capsys)]
    gone = "00000003000181"
    people.execute("DELETE FROM {table} WHERE cnpj = %(cnpj)s", {"cnpj": gone})
    carry(told, "cnpj_ws")
    printed.append(command(f"erase --source cnpj_ws --key {gone} --yes", monkeypatch, capsys))

    texts = {**left_behind(told, lake, receiver), "printed": str(printed)}

    assert find_leaks(texts, [gone]) == []
    assert printed[0].count("was refused") == 2
    assert "keys gone from bronze: 1" in printed[1]
    assert any(name.startswith(f"metadata of {told.prefix}/failed/external/") for name in texts)
    assert any("/erasures/cnpj_ws/" in name for name in texts)
