"""A model that DuckDB runs and BigQuery does not fails locally, in Google's words, at its place."""

import re
from pathlib import Path

import duckdb
import pytest
import yaml

from credix.clients.dbt.project import Dbt
from credix.clients.effects import Effects
from credix.core.settings import Settings

ORDERS = (
    "with orders as (select 7 as id, '7' as code, true as is_paid, date '2026-03-31' as day, "
    "timestamp '2026-03-31 12:00:00' as created_at)\n"
)
# Each after the first line of ORDERS, with what Google's analyzer says of it.
MODELS = {
    "strftime": ("select strftime(day, '%Y') as year from orders", "not found: strftime"),
    "list_value": ("select list_value(id, 2) as ids from orders", "not found: list_value;"),
    "epoch_ms": ("select epoch_ms(created_at) as ms from orders", "not found: epoch_ms"),
    "try_cast": ("select try_cast(code as integer) as n from orders", "not found: try_cast"),
    "ilike": (
        "select id from orders where code ilike '7%'",
        'Expected ")" but got identifier "ilike"',
    ),
    "similar_to": ("select id from orders where code similar to '7.*'", 'identifier "similar"'),
    "tilde": ("select id from orders where code ~ '7'", 'Expected ")" but got'),
    "percent": ("select id % 2 as odd from orders", 'Expected ")" but got'),
    "two_slashes": ("select id // 2 as half from orders", "Syntax error: Unexpected"),
    "two_colons": ("select id::bigint as n from orders", 'Expected ")" but got'),
    "varchar": ("select cast(id as varchar) as text from orders", "Type not found: varchar"),
    "distinct_on": ("select distinct on (id) code from orders", "Unexpected keyword ON"),
    "exclude": ("select * exclude (id) from orders", "keyword EXCLUDE"),
    "filter_where": ("select count(*) filter (where id > 1) as n from orders", "Syntax error"),
    "values_table": ("select * from (values (1), (2)) as numbers (n)", "Expected keyword JOIN"),
    "from_first": ("from orders select id", "SELECT not supported after FROM query"),
    "alias_in_where": (
        "select id * 2 as twice from orders where twice > 1",
        "Unrecognized name: twice",
    ),
    "alias_in_select": ("select id * 2 as twice, twice + 1 as more from orders", "name: twice"),
    "interval_text": ("select day + interval '1 day' as later from orders", "Syntax error"),
    "text_and_number": ("select id from orders where code = 7", "types: STRING, INT64"),
    "time_and_date": ("select id from orders where created_at > day", "types: TIMESTAMP, DATE"),
    "truth_and_number": ("select id from orders where is_paid = 0", "types: BOOL, INT64"),
    "number_as_truth": ("select code from orders where id", "should return type BOOL"),
    "mixed_union": (
        "select id from orders union all select code from orders",
        "incompatible types: INT64, STRING",
    ),
    "plain_union": ("select id from orders union select id from orders", "Expected keyword ALL"),
    "parts_first": ("select date_trunc('month', day) as month from orders", "to type DATE"),
    "epoch": ("select extract(epoch from created_at) as s from orders", "but found epoch"),
    "subscript": ("select [id, 2][1] as first_id from orders", "is not supported. Use array"),
    "braces": ("select {'a': id} as pair from orders", "Braced constructors are not supported"),
    "sum_of_truths": ("select sum(is_paid) as n from orders", "aggregate function SUM"),
    "no_name": ("select id + 1 from orders", "column 1 has no name"),
}


@pytest.fixture
def sketches(tmp_path: Path) -> Path:
    """A dbt project with these models."""
    project = {
        "name": "sketches",
        "profile": "business_case",
        "models": {"+materialized": "table"},
        "flags": {"send_anonymous_usage_stats": False},
    }
    (tmp_path / "models").mkdir()
    (tmp_path / "dbt_project.yml").write_text(yaml.safe_dump(project), "utf-8")
    for name, (sql, _) in MODELS.items():
        (tmp_path / "models" / f"{name}.sql").write_text(ORDERS + sql, "utf-8")
    return tmp_path


def test_what_works_in_duckdb_alone_is_refused_with_the_file_and_the_line(
    settings: Settings, sketches: Path
) -> None:
    dbt = Dbt(settings, Effects(), sketches, project=sketches)

    nodes = {node.name: node for node in dbt.execute("dbt.run", "run", ["sketches"], {})}

    with duckdb.connect() as connection:
        for sql, _ in MODELS.values():
            connection.execute(ORDERS + sql)
    assert {name for name, node in nodes.items() if node.status == "error"} == set(MODELS)
    others = {
        name: node.message
        for name, node in nodes.items()
        if f"(models/{name}.sql)" not in node.message
        or MODELS[name][1] not in node.message
        or not re.search(r" at \[\d+:\d+\]", node.message)
        # It is the whole statement that has no name for the column.
        or not (node.message.endswith("(line 2 of the compiled SQL)") or name == "no_name")
    }
    assert others == {}
