"""The local BigQuery does not run what Google's analyzer refuses, and runs what it cannot judge."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from google.api_core.exceptions import BadRequest, GoogleAPICallError
from google.cloud import bigquery

from credix_local.bigquery import repairs_analysis
from credix_local.bigquery.googlesql.analyzer import Analyzer, Names, Parameters, split_paths
from credix_local.bigquery.googlesql.engine import EngineError, StatementRefusedError
from credix_local.bigquery.googlesql.tables import Field, Table
from credix_local.bigquery.repairs_analysis import as_shape, is_script
from tests.credix_local.servers import LOCATION, NO_RETRY, ONCE
from tests.known import known

# Statements that BigQuery's documentation rules out, and what Google's analyzer says of each.
# The groups are pages of BigQuery's reference.
REFUSED = {
    # DML: "Each time you construct a statement, you must use the WHERE keyword".
    "UPDATE companies SET tier = 'x'": "UPDATE must have a WHERE clause",
    "DELETE FROM companies": "DELETE must have a WHERE clause",
    "UPDATE companies SET tier = 'x', tier = 'y' WHERE true": "assigned more than once",
    "UPDATE companies SET score = cast(1 AS FLOAT64) WHERE true": "cannot be assigned to score",
    "INSERT INTO companies (id, tier) VALUES (1)": "Inserted row has wrong column count",
    "INSERT INTO companies (id) VALUES ('x')": "has type STRING which cannot be inserted",
    "MERGE INTO companies AS t USING (SELECT 1 AS id) AS s ON t.id = s.id "
    "WHEN NOT MATCHED THEN INSERT (id, tier) VALUES (s.id, t.tier)": "Unrecognized name: t",
    "MERGE INTO companies AS t USING (SELECT 1 AS id) AS s ON id = s.id "
    "WHEN MATCHED THEN DELETE": "Column name id is ambiguous",
    # Query syntax: scopes of names.
    "SELECT id * 2 AS twice FROM companies WHERE twice > 1": "Unrecognized name: twice",
    "SELECT id * 2 AS twice, twice + 1 FROM companies": "Unrecognized name: twice",
    "SELECT * REPLACE (count(*) OVER () AS id) FROM companies": "Cannot use analytic functions "
    "inside SELECT * REPLACE",
    "MERGE INTO companies AS t USING (SELECT d.* REPLACE (if(count(*) OVER (PARTITION BY id) = 1, "
    "id, error('twice')) AS id) FROM companies AS d) AS s ON t.id = s.id "
    "WHEN MATCHED THEN UPDATE SET tier = s.tier": "Cannot use analytic functions inside",
    "SELECT tier, id, count(*) FROM companies GROUP BY tier": "references column id which is "
    "neither grouped nor aggregated",
    "SELECT id FROM companies WHERE row_number() OVER (ORDER BY id) = 1": "Analytic function not "
    "allowed in WHERE clause",
    "SELECT tier FROM companies WHERE count(*) > 1 GROUP BY tier": "Aggregate function COUNT(*) "
    "not allowed in WHERE clause",
    "SELECT 1 FROM companies AS a, companies AS a": "Duplicate table alias a",
    "SELECT 1 FROM companies AS a LEFT JOIN companies AS b": "LEFT JOIN must have an immediately "
    "following ON or USING clause",
    "SELECT id FROM companies UNION SELECT id FROM companies": "Expected keyword ALL or keyword "
    "DISTINCT",
    "SELECT id FROM companies UNION ALL SELECT tier FROM companies": "incompatible types",
    "SELECT * EXCEPT (nope) FROM companies": "Column nope in SELECT * EXCEPT list does not exist",
    # Lexical structure: reserved words, escapes, literals.
    "SELECT count(*) AS some FROM companies": "Unexpected keyword SOME",
    "SELECT '\\q'": "Illegal escape sequence",
    "SELECT DATE '2024-02-30'": "Invalid DATE literal",
    "SELECT NUMERIC '1.00000000001'": "Invalid NUMERIC literal",
    # Conversion rules: nothing is coerced but literals and parameters.
    "SELECT id FROM companies WHERE tier = 1": "No matching signature for operator =",
    "SELECT id FROM companies WHERE changed_at > opened": "No matching signature for operator >",
    "SELECT id FROM companies WHERE is_open = 0": "No matching signature for operator =",
    "SELECT id FROM companies WHERE id": "WHERE clause should return type BOOL",
    "SELECT coalesce(tier, 0) FROM companies": "No matching signature for function COALESCE",
    "SELECT cast(opened AS INT64) FROM companies": "Invalid cast from DATE to INT64",
    "SELECT cast(tier AS VARCHAR) FROM companies": "Type not found: VARCHAR",
    # Functions: names, arguments, parts of dates.
    "SELECT strftime(opened, '%Y') FROM companies": "Function not found: strftime",
    "SELECT timestamp_diff(changed_at, changed_at, MONTH) FROM companies": "MONTH",
    "SELECT date_trunc(opened, HOUR) FROM companies": "HOUR",
    "SELECT string_agg(id) FROM companies": "No matching signature for aggregate function",
    "SELECT avg(opened) FROM companies": "No matching signature for aggregate function AVG",
    "SELECT [[1], [2]]": "nested arrays are not supported",
    "SELECT count(*) FILTER (WHERE id > 1) FROM companies": "Syntax error",
    # DDL: layouts, options, names of columns.
    "CREATE TABLE other (a STRING) PARTITION BY a": "PARTITION BY expression must be",
    "CREATE TABLE other (a INT64) PARTITION BY a": "PARTITION BY expression must be",
    "CREATE TABLE other (a INT64, b INT64, c INT64, d INT64, e INT64) "
    "CLUSTER BY a, b, c, d, e": "Only 4 clustering columns",
    "CREATE TABLE other (a FLOAT64) CLUSTER BY a": "may not be a floating point type",
    "CREATE TABLE other (a INT64) OPTIONS (colour = 'red')": "Unknown option: colour",
    "CREATE TABLE other AS SELECT 1 + 1": "CREATE TABLE columns must be named",
    "CREATE TABLE other AS SELECT id, id FROM companies": "duplicate name id",
    "CREATE TABLE other (a NUMERIC(40))": "NUMERIC",
}
COLUMNS = "id INT64, tier STRING, score NUMERIC, is_open BOOL, opened DATE, changed_at TIMESTAMP"


@pytest.fixture(scope="module")
def companies(client: bigquery.Client) -> Iterator[bigquery.Client]:
    """A client with a dataset of its own, whose table `companies` has a row."""
    name = f"{client.project}.t_{uuid4().hex[:12]}"
    definition = bigquery.Dataset(name)
    definition.location = LOCATION
    client.create_dataset(definition)
    client.default_query_job_config = bigquery.QueryJobConfig(default_dataset=name)
    client.query(f"CREATE TABLE `{name}.companies` ({COLUMNS})").result()
    client.query(f"INSERT INTO `{name}.companies` (id, tier) VALUES (7, 'GOOD')").result()
    yield client
    client.default_query_job_config = bigquery.QueryJobConfig()
    client.delete_dataset(name, delete_contents=True)


def run(client: bigquery.Client, sql: str, **options: Any) -> list[tuple[Any, ...]]:
    job = client.query(sql, **ONCE, **options)
    return [tuple(row.values()) for row in job.result(retry=None, job_retry=None)]


@pytest.mark.parametrize(("sql", "message"), REFUSED.items())
def test_what_bigquery_rules_out_is_refused_in_googles_words(
    companies: bigquery.Client, sql: str, message: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        run(companies, sql)

    assert refused.value.errors[0]["reason"] == "invalidQuery"
    assert message in refused.value.message


def test_a_refused_statement_has_changed_nothing(companies: bigquery.Client) -> None:
    assert run(companies, "SELECT id, tier FROM companies") == [(7, "GOOD")]


def test_the_place_is_that_of_the_statement_as_it_was_sent(companies: bigquery.Client) -> None:
    table = f"{known(companies.default_query_job_config).default_dataset}.companies"
    with pytest.raises(BadRequest, match=r"Unrecognized name: nope at \[2:"):
        run(companies, f"SELECT id\nFROM `{table}` WHERE nope")
    sql = f"SELECT 1 FROM `{table}` WHERE nope"
    with pytest.raises(BadRequest, match=rf"at \[1:{sql.index('nope') + 1}\]"):
        run(companies, sql, job_config=bigquery.QueryJobConfig())


def test_a_dry_run_is_judged_also_where_it_would_change_something(
    companies: bigquery.Client,
) -> None:
    dry = bigquery.QueryJobConfig(
        dry_run=True, default_dataset=known(companies.default_query_job_config).default_dataset
    )
    with pytest.raises(BadRequest, match="DELETE must have a WHERE clause"):
        companies.query("DELETE FROM companies", job_config=dry, **NO_RETRY)
    companies.query("DELETE FROM companies WHERE true", job_config=dry, **NO_RETRY)
    assert run(companies, "SELECT count(*) FROM companies") == [(1,)]


class TestScripts:
    def test_the_statement_that_is_wrong_ends_it(self, companies: bigquery.Client) -> None:
        name = known(companies.default_query_job_config).default_dataset
        script = (
            "DECLARE wanted INT64 DEFAULT 7;\n"
            f"CREATE TABLE `{name}.kept` AS SELECT id FROM `{name}.companies` WHERE id = wanted;\n"
            f"SELECT nope FROM `{name}.kept`;"
        )
        with pytest.raises(BadRequest, match="Unrecognized name: nope"):
            run(companies, script, job_config=bigquery.QueryJobConfig())
        assert run(companies, f"SELECT id FROM `{name}.kept`") == [(7,)]

    def test_one_that_cannot_be_parsed_does_not_begin(self, companies: bigquery.Client) -> None:
        name = known(companies.default_query_job_config).default_dataset
        script = f"CREATE TABLE `{name}.never` (a INT64); SELECT FROM `{name}.never`;"
        with pytest.raises(BadRequest, match="Syntax error"):
            run(companies, script, job_config=bigquery.QueryJobConfig())
        with pytest.raises(Exception, match="never"):
            run(companies, f"SELECT * FROM `{name}.never`")

    @pytest.mark.parametrize(
        ("sql", "is_one"),
        [
            ("SELECT ';' -- ;\n;", False),
            ("SELECT 1; SELECT 2", True),
            ("/* comment */ DECLARE x INT64;", True),
            ("BEGIN TRANSACTION", True),
            ("CREATE FUNCTION d.f() AS (1)", False),
        ],
    )
    def test_they_are_told_from_statements(self, sql: str, is_one: bool) -> None:
        assert is_script(sql) is is_one


class TestWhatTheAnalyzerDoesNotKnow:
    def test_a_missing_table_is_reported_as_bigquery_does(self, companies: bigquery.Client) -> None:
        with pytest.raises(Exception, match=r"[Nn]ot found") as refused:
            run(companies, "SELECT 1 FROM nope")
        error = refused.value
        assert isinstance(error, GoogleAPICallError)
        assert error.errors[0]["reason"] == "notFound"

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT contains_substr('Credix', 'red')",
            "SELECT session_user() IS NULL",
            "SELECT cast(id AS BIGINT) FROM companies",
        ],
    )
    def test_the_server_decides_alone(self, companies: bigquery.Client, sql: str) -> None:
        assert len(run(companies, sql)) == 1

    def test_a_function_that_somebody_has_made_is_left_to_the_server(self) -> None:
        assert repairs_analysis.is_beyond("ours.twice")
        assert not repairs_analysis.is_beyond("strftime")

    def test_the_server_works_without_the_wheels(self, monkeypatch: pytest.MonkeyPatch) -> None:
        hooked: list[Callable[..., object]] = []
        monkeypatch.setattr(repairs_analysis, "is_installed", lambda: False)
        monkeypatch.setattr(repairs_analysis, "judge_queries", hooked.append)
        repairs_analysis.apply()
        assert hooked == []


class TestAnalyzer:
    TABLE = Table(
        ("project", "d", "t"), (Field("a", "INTEGER"), Field("tags", "STRING", "REPEATED"))
    )

    @pytest.fixture(scope="class")
    def analyzer(self) -> Analyzer:
        return Analyzer()

    def test_it_knows_parameters_variables_and_arrays(self, analyzer: Analyzer) -> None:
        tables = frozenset([self.TABLE])
        variables = (Field("most", "INT64"),)
        given = Parameters(by_name=(Field("least", "INT64"),))
        sql = "SELECT a FROM d.t WHERE a BETWEEN @least AND most AND 'x' IN UNNEST(tags)"
        analyzer.check_statement(
            sql, tables, Names("project", parameters=given, variables=variables)
        )
        with pytest.raises(StatementRefusedError, match="Query parameter 'least' not found"):
            analyzer.check_statement(sql, tables, Names("project", variables=variables))
        positions = Parameters(by_position=(Field("", "INT64"),))
        names = Names("project", ("project", "d"), positions)
        analyzer.check_statement("SELECT a FROM t WHERE a = ?", tables, names)

    def test_it_goes_on_after_a_limit_of_its_own(self, analyzer: Analyzer) -> None:
        analyzer.check_statement("SELECT a FROM d.t", frozenset([self.TABLE]), Names("project"))
        with pytest.raises(EngineError):
            analyzer.check_statement(
                f"SELECT {'+'.join('1' * 3000)}", frozenset(), Names("project")
            )
        analyzer.check_statement("SELECT a FROM d.t", frozenset([self.TABLE]), Names("project"))

    @pytest.mark.parametrize(
        "layout",
        [
            "PARTITION BY day",
            "PARTITION BY DATE(instant)",
            "PARTITION BY TIMESTAMP_TRUNC(instant, MONTH) CLUSTER BY text, n",
            "PARTITION BY DATE_TRUNC(day, YEAR)",
            "PARTITION BY RANGE_BUCKET(n, GENERATE_ARRAY(0, 100, 10)) CLUSTER BY n",
        ],
    )
    def test_it_accepts_the_layouts_that_bigquery_has(
        self, analyzer: Analyzer, layout: str
    ) -> None:
        sql = f"CREATE TABLE d.made (day DATE, instant TIMESTAMP, n INT64, text STRING) {layout}"
        analyzer.check_statement(sql, frozenset(), Names("project"))

    def test_it_names_the_tables_of_a_statement(self, analyzer: Analyzer) -> None:
        sql = "WITH a AS (SELECT [1] AS tags) SELECT 1 FROM a, a.tags, d.t AS t, t.tags, `p-1.e.u`"
        assert analyzer.table_names(sql) == {("d", "t"), ("p-1", "e", "u")}

    def test_a_path_in_one_pair_of_quotes_is_split_and_nothing_else(self) -> None:
        sql = "SELECT '`a.b`', `x` FROM `p.d.t` -- `a.b`"
        assert split_paths(sql) == "SELECT '`a.b`', `x` FROM `p`.`d`.`t` -- `a.b`"


def test_what_varies_from_run_to_run_does_not_make_another_statement() -> None:
    one = "/* run 1 */ SELECT '2026', 12345 FROM `d.orders_0123456789ab` LIMIT 10"
    other = "/* run 2 */ SELECT '2026', 98765 FROM `d.orders_ba9876543210` LIMIT 10"
    assert as_shape(one) == as_shape(other)
    assert as_shape(one) != as_shape(one.replace("10", "20"))
    assert as_shape(one) != as_shape(one.replace("2026", "2027"))
