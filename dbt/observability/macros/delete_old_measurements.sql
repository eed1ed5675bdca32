{#-
  Delete from Elementary's tables what is older than `keeps_measurements_days`: they grow with every
  monitor and every node of every run, and its page and its training periods read the last days.
-#}
{%- macro delete_old_measurements() -%}
    {%- if execute and flags.WHICH in ('build', 'test') -%}
        {%- for table, column in {
            'data_monitoring_metrics': 'updated_at',
            'dbt_invocations': 'created_at',
            'dbt_run_results': 'created_at',
            'elementary_test_results': 'created_at',
            'schema_columns_snapshot': 'detected_at',
        }.items() -%}
            {%- do run_query(delete_older_sql(elementary.get_elementary_relation(table), column)) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro delete_older_sql(relation, column) -%}
    delete from {{ relation }}
    where {{ column }} < timestamp_sub(current_timestamp(), interval {{ var('keeps_measurements_days') }} day)
{%- endmacro -%}
