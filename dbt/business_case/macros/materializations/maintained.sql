{#-
  A table that a build either makes whole, by dbt's own table materialization, or brings up to date
  by one MERGE: within the model's scope (macros/scopes.sql) the table becomes what the model's SQL
  says. A row that differs is updated, a new one inserted, one that the SQL does not yield leaves;
  equal rows are not written. A second execution changes nothing.
-#}
{% materialization maintained, adapter='bigquery' %}
    {%- if not builds_changes() -%}
        {{- return(context['materialization_table_bigquery']()) -}}
    {%- endif -%}
    {%- set table = this.incorporate(type='table') -%}
    {%- set columns = adapter.get_columns_in_relation(table) | map(attribute='name') | list -%}
    {%- set scope = context['scope_of_' ~ model.name]() -%}
    {{- run_hooks(pre_hooks) -}}
    {%- call statement('main') -%}
        {{ maintaining_merge_sql(table, compiled_code, scope, config.require('unique_key'), columns) }}
    {%- endcall -%}
    {{- run_hooks(post_hooks) -}}
    {{- return({'relations': [table]}) -}}
{% endmaterialization %}

{#-
  `scope` is a condition on columns of the table. A key that the table holds within the scope and
  the SQL does not yield arrives with NULL in its own column, which no row of the SQL has.
-#}
{%- macro maintaining_merge_sql(table, sql, scope, unique_key, columns) -%}
{%- set keys = [unique_key] if unique_key is string else unique_key -%}
merge into {{ table }} as kept
using (
    with fresh as (

{{ sql }}

    ),

    held as (

        select {{ keys | join(', ') }}
        from {{ table }}
        where {{ scope }}

    )

    select
        {%- for key in keys %}
        coalesce(fresh.{{ key }}, held.{{ key }}) as _key_{{ key }},
        {%- endfor %}
        fresh.*
    from fresh
    full outer join held
        on {% for key in keys %}fresh.{{ key }} = held.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
) as build
on {% for key in keys %}kept.{{ key }} = build._key_{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
when matched and build.{{ keys[0] }} is null then delete
when matched and (
    {%- for column in columns if column not in keys %}
    kept.{{ adapter.quote(column) }} is distinct from build.{{ adapter.quote(column) }}{{ ' or' if not loop.last }}
    {%- endfor %}
) then update set
    {%- for column in columns if column not in keys %}
    {{ adapter.quote(column) }} = build.{{ adapter.quote(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
when not matched then insert (
    {%- for column in columns %}
    {{ adapter.quote(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
) values (
    {%- for column in columns %}
    build.{{ adapter.quote(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
)
{%- endmacro -%}
