"""The lint finds what the local BigQuery would let pass, and leaves good SQL alone."""

import pytest

from tests.dbt.sql_lint import find_unportable

BAD = {
    "expiration": "create table t (a int64) options(expiration_timestamp = null)",
    "require_partition_filter": "create table t (d date) options(require_partition_filter=true)",
    "materialized_view": "CREATE MATERIALIZED VIEW v AS SELECT 1",
    "external_table": "create or replace external table t options (format = 'CSV')",
    "javascript": "create function f(x float64) returns float64 language js as 'return x'",
    "jobs": "select * from `region-us`.INFORMATION_SCHEMA.JOBS_BY_PROJECT",
    "partition_decorator": "select * from `project.dataset.table$20250310`",
    "dynamic_overwrite": "declare dbt_partitions_for_replacement array<date>",
    "unnamed_struct": "select struct(a, b).a from t",
    "last_digits": "select stddev(amount) from t",
    "not_a_number": "select ieee_divide(a, b) from t",
    "letters": "select initcap(name) from t",
    "json_number": "select json_value(document, '$.amount') from t",
}

GOOD = [
    "select date_trunc(due_date, month), date_diff(a, b, day), date_trunc(a, week) from t",
    "select cast(round(amount * 100) as int64), cast(7 as int64), safe_cast(null as int64) from t",
    "select safe_cast('text' as string), safe_cast(null as string), cast(a as numeric) from t",
    "select struct(1 as a, 2 as b).a, struct(a, b) from t",
    "select (div((a + b), nullif(2 * c, 0))) + 1 from t",
    "select 'soundex(x)' -- initcap(x)\n, \"language js\" /* load data */ from t",
    "select replace(a, b, c), * except (d) replace (e as f), sum(a) over (order by b) from t",
    "select r'\\d' as pattern, '''date_trunc(d, isoweek)''' from `p.d.t` # div(a + b, c)",
]


@pytest.mark.parametrize("rule", BAD)
def test_each_construct_is_found_by_its_rule(rule: str) -> None:
    assert [finding.rule for finding in find_unportable(BAD[rule])] == [rule]


@pytest.mark.parametrize("sql", GOOD)
def test_good_sql_is_left_alone(sql: str) -> None:
    assert find_unportable(sql) == []


def test_finding_names_the_line_the_text_and_the_way_out() -> None:
    (finding,) = find_unportable("select\n  '''a\nb''',\n  struct(a, b).a\nfrom t")

    assert (finding.line, finding.text) == (4, "struct(a, b)")
    assert "AS" in finding.advice
