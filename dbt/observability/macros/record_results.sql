{#-
  The results of the pipeline's own builds into Elementary's tables, from the temp table that
  CREDIX_DBT_RESULTS_TABLE names: one row per node and invocation, as lib/credix/clients/dbt/results.py
  writes it. What is there already is not added again.
-#}
{%- macro record_results() -%}
    {%- set table = env_var('CREDIX_DBT_RESULTS_TABLE', '') -%}
    {%- if execute and table -%}
        {%- do run_query(insert_invocations_sql(table)) -%}
        {%- do run_query(insert_run_results_sql(table)) -%}
        {%- do run_query(insert_test_results_sql(table)) -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro results_relation(table) -%}
    {{- api.Relation.create(
        database=target.database, schema=env_var('CREDIX_PREFIX', 'business_case') ~ '_temp', identifier=table
    ) -}}
{%- endmacro -%}

{%- macro insert_invocations_sql(table) -%}
    {%- set invocations = elementary.get_elementary_relation('dbt_invocations') -%}
    insert into {{ invocations }} (
        invocation_id, job_name, job_run_id, run_started_at, run_completed_at, generated_at, created_at,
        command, dbt_version, elementary_version, full_refresh, target_name, target_database, target_schema,
        project_name, selected, orchestrator
    )
    select
        invocation_id, any_value(job), any_value(run_id), min(started_at), max(completed_at), max(completed_at),
        current_timestamp(), 'build', '{{ dbt_version }}', '{{ elementary.get_elementary_package_version() }}',
        false, '{{ target.name }}', '{{ target.database }}', '{{ target.schema }}', 'business_case',
        any_value(selected), 'credix'
    from {{ results_relation(table) }} as results
    where not exists (
        select 1 from {{ invocations }} as known where known.invocation_id = results.invocation_id
    )
    group by invocation_id
{%- endmacro -%}

{%- macro insert_run_results_sql(table) -%}
    {%- set run_results = elementary.get_elementary_relation('dbt_run_results') -%}
    insert into {{ run_results }} (
        model_execution_id, unique_id, invocation_id, generated_at, created_at, name, message, status,
        resource_type, execution_time, execute_started_at, execute_completed_at, rows_affected, full_refresh,
        failures, query_id, materialization
    )
    select
        concat(invocation_id, '.', unique_id), unique_id, invocation_id, completed_at, current_timestamp(),
        name, message, status, resource_type, execution_seconds, started_at, completed_at, rows_affected, false,
        failures, job_id, materialization
    from {{ results_relation(table) }} as results
    where not exists (
        select 1 from {{ run_results }} as known
        where known.model_execution_id = concat(results.invocation_id, '.', results.unique_id)
    )
{%- endmacro -%}

{%- macro insert_test_results_sql(table) -%}
    {%- set test_results = elementary.get_elementary_relation('elementary_test_results') -%}
    insert into {{ test_results }} (
        id, test_execution_id, test_unique_id, model_unique_id, invocation_id, detected_at, created_at,
        database_name, schema_name, table_name, column_name, test_type, test_sub_type,
        test_results_description, owners, tags, test_name, test_params, severity, status, failures,
        test_short_name, test_alias
    )
    select
        concat(results.invocation_id, '.', results.unique_id), concat(results.invocation_id, '.', results.unique_id),
        results.unique_id, tests.parent_model_unique_id, results.invocation_id, timestamp(results.completed_at),
        current_timestamp(), tests.database_name, tests.schema_name, models.alias, tests.test_column_name,
        'dbt_test', tests.type, results.message, tests.model_owners, tests.tags, tests.name, tests.test_params,
        tests.severity, results.status, results.failures, tests.short_name, tests.alias
    from {{ results_relation(table) }} as results
    inner join {{ elementary.get_elementary_relation('dbt_tests') }} as tests
        on tests.unique_id = results.unique_id
    left join {{ elementary.get_elementary_relation('dbt_models') }} as models
        on models.unique_id = tests.parent_model_unique_id
    where results.resource_type = 'test' and not exists (
        select 1 from {{ test_results }} as known
        where known.id = concat(results.invocation_id, '.', results.unique_id)
    )
{%- endmacro -%}
