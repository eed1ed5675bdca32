"""A new source from the live table: docs/how-to/add-a-source.md as it is, and refusals."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2.extensions
import pytest
import yaml

from credix.cli.main import commands
from credix.clients.bigquery.warehouse import Warehouse
from credix.core.errors import CredixError, SettingsError, SourceError
from credix.core.settings import PROJECT_DIR, Settings
from credix.operations.sources.add import (
    NewSourceOptions,
    TableColumn,
    build,
    contract_columns,
    draft_source,
)
from credix.operations.sources.texts import model_sql, model_yml, section_of
from tests.conftest import connected
from tests.project_copy import copy_project, variables_for
from tests.tables import Table

PAGE = PROJECT_DIR / "docs" / "how-to" / "add-a-source.md"
BLOCK = re.compile(r"```(sql|sh|python)\n(.*?)```", re.DOTALL)


@pytest.fixture
def database(settings: Settings) -> Iterator[psycopg2.extensions.connection]:
    connection = connected(settings)
    connection.autocommit = True
    yield connection
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS public.orders")
    connection.close()


@pytest.mark.usefixtures("warehouse")
def test_the_page_works_as_it_stands(
    settings: Settings,
    tables: dict[str, Table],
    database: psycopg2.extensions.connection,
    warehouse: Warehouse,
    tmp_path: Path,
) -> None:
    tables["cnpj_ws"].insert()
    tables["installments"].insert()
    project = copy_project(tmp_path / "project")
    environment = variables_for(project, settings)
    git(project, "init", "--quiet")
    git(project, "add", "lib", "dbt")
    said = []
    *blocks, (_, way_back), (_, dropping) = BLOCK.findall(PAGE.read_text("utf-8"))
    for language, text in blocks:
        if language == "sql":
            with database.cursor() as cursor:
                cursor.execute(text)
            continue
        said += [run(project, environment, command) for command in text.strip().splitlines()]

    bronze = warehouse.table_id("bronze", "orders")
    [found] = warehouse.query(
        f"SELECT countif(NOT _is_deleted) AS live, countif(is_paid) AS paid, sum(amount) AS total, "
        f"min(_source_table) AS of_table, max(_seq) AS seq FROM `{bronze}`"
    )
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*), count(*) FILTER (WHERE is_paid), sum(amount) FROM orders")
        assert (found["live"], found["paid"], found["total"]) == cursor.fetchone()
    assert (found["of_table"], found["seq"]) == ("public.orders", 2)
    assert re.search(r"buyer_name +STRING +masked", said[0])
    contract = json.loads((project / "lib/contracts/orders.json").read_text("utf-8"))
    assert [c["description"] for c in contract if c["name"] == "amount"] == [
        "Amount of the order in BRL"
    ]
    again = subprocess.run(
        [sys.executable, "run_pipeline.py", "add-source", "public.orders"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 2
    assert "The name 'orders' is taken" in again.stderr

    written = ("--others", "--modified", "lib/contracts", "dbt/business_case/models")
    assert len(git(project, "ls-files", *written).split()) == 4
    subprocess.run(["bash", "-ec", way_back], cwd=project, check=True)
    assert git(project, "ls-files", *written) == ""
    subprocess.run([sys.executable, "-c", dropping], cwd=project, env=environment, check=True)
    assert warehouse.columns("bronze", "orders") is None
    assert list(warehouse.tables("temp", "orders_")) == []


def git(project: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=project, check=True, capture_output=True, text=True
    ).stdout


def run(project: Path, environment: dict[str, str], command: str) -> str:
    """A command of the page in the copy, by this Python; what it said."""
    script, *arguments = shlex.split(command)
    ended = subprocess.run(
        [sys.executable, script, *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


COLUMNS = [
    TableColumn("id", "bigint", None),
    TableColumn("part", "text", 'A "quoted" part'),
    TableColumn("e_mail", "text", None),
    TableColumn("username", "text", None),
    TableColumn("amount", "numeric", None),
]


def test_a_key_of_several_columns_becomes_a_merge_key_with_its_test() -> None:
    source = build(
        "parts", "parts", "shop", COLUMNS, NewSourceOptions("shop.parts"), ("id", "part")
    )
    assert [c.mode for c in source.columns] == ["REQUIRED"] * 2 + ["NULLABLE"] * 3
    assert source.personal_data == {"e_mail"}
    assert "unique_key=['id', 'part'], cluster_by=['id', 'part']" in model_sql(source)
    assert "source_table('parts', 'shop')" in model_sql(source)
    [model] = yaml.safe_load(model_yml(source))["models"]
    assert model["data_tests"][1] == {"unique_together": {"arguments": {"columns": ["id", "part"]}}}
    described = {column["name"]: column["description"] for column in model["columns"]}
    assert described["part"] == 'A "quoted" part'
    assert yaml.safe_load(section_of(source))["parts"] | {"key": [], "personal_data": []} == {
        "table": "parts",
        "schema": "shop",
        "key": [],
        "capture": "row_version",
        "cursor": [],
        "deletes": True,
        "drift": "fail",
        "ignored": [],
        "personal_data": [],
    }
    assert "key: [id, part]\n" in section_of(source)


def test_the_model_of_a_source_that_is_there_would_be_written_the_same() -> None:
    """The template keeps up with what people wrote by hand."""
    from credix.core.contracts import load_source

    folder = PROJECT_DIR / "dbt/business_case/models/bronze"
    for name in ("installments", "cnpj_ws"):
        source = load_source(name)
        expected = (folder / f"{name}.sql").read_text("utf-8")
        drafted = model_sql(source).replace(f"source_table('{source.table}')", "source_table()")
        assert drafted.replace(f"cluster_by=['{source.key[0]}']", "") == expected.replace(
            f"cluster_by=['{source.key[0]}']", ""
        )
        [by_hand] = yaml.safe_load((folder / f"{name}.yml").read_text("utf-8"))["models"]
        [model] = yaml.safe_load(model_yml(source))["models"]
        assert model["columns"] == by_hand["columns"]
        assert model["data_tests"][0] == by_hand["data_tests"][0]


def test_columns_that_cannot_be_carried_are_named_with_the_way_out() -> None:
    odd = [
        TableColumn("id", "bigint", None),
        TableColumn("extra", "jsonb", None),
        TableColumn("_seq", "bigint", None),
        TableColumn("a b", "text", None),
    ]
    with pytest.raises(SourceError) as caught:
        contract_columns(odd, ["id"])
    assert "extra (jsonb), _seq (bigint), a b (text)" in str(caught.value)
    assert "--ignore extra --ignore _seq" in str(caught.value)
    wish = NewSourceOptions("t", ignored=("extra", "_seq", "a b"))
    assert build("things", "t", None, odd, wish, ("id",)).column_names == ["id"]


TABLES = {
    "has no primary key": (
        "CREATE TABLE public.orders (id bigint)",
        NewSourceOptions("public.orders"),
    ),
    "the key (id) is not usable": (
        "CREATE TABLE public.orders (id bigint); INSERT INTO public.orders VALUES (1), (1)",
        NewSourceOptions("public.orders", key=("id",)),
    ),
    "no column color (--ignore)": (
        "CREATE TABLE public.orders (id bigint PRIMARY KEY)",
        NewSourceOptions("public.orders", ignored=("color",)),
    ),
    "does not exist": ("SELECT 1", NewSourceOptions("public.nothing")),
    "The name 'full' is taken": ("SELECT 1", NewSourceOptions("public.orders", name="full")),
    "'runs' is a command": ("SELECT 1", NewSourceOptions("public.runs")),
    "The name 'quarantine' is taken": (
        "SELECT 1",
        NewSourceOptions("public.orders", name="quarantine"),
    ),
    "is no name for a source": ("SELECT 1", NewSourceOptions('public."Big RunOptions"')),
}


@pytest.mark.parametrize("told", TABLES)
def test_what_cannot_become_a_source_is_refused(
    told: str, settings: Settings, database: psycopg2.extensions.connection
) -> None:
    sql, wish = TABLES[told]
    with database.cursor() as cursor:
        cursor.execute(sql)
    with pytest.raises((SettingsError, SourceError)) as caught:
        draft_source(settings, wish, ["runs", "status"])
    assert isinstance(caught.value, CredixError)
    assert told in str(caught.value)


@pytest.mark.usefixtures("settings")
def test_no_source_gets_the_name_of_a_command() -> None:
    with pytest.raises(SettingsError, match=r"'status' is a command.*--name"):
        commands(["add-source", "public.orders", "--name", "status"], standalone_mode=False)
