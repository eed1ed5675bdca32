{#-
  A table that a build either makes whole, by dbt's own table materialization, or brings up to date
  by one MERGE of what the model's SQL says of changes. A row that differs is updated, a new one
  inserted; a key of the model's scope (macros/scopes.sql) that the SQL does not yield leaves. Equal
  rows are not written, a second execution changes nothing.
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
  `scope` is a query of keys. One that the SQL does not yield arrives with NULL in its own column,
  which no row of the SQL has. Neither may read the table itself: the local BigQuery does not keep
  what a MERGE reads apart from what it has already written.
-#}
{%- macro maintaining_merge_sql(table, sql, scope, unique_key, columns) -%}
{%- set keys = [unique_key] if unique_key is string else unique_key -%}
merge into {{ table }} as kept
using (
    with fresh as (

{{ sql }}

    ),

    scope as (

        {{ scope }}

    )

    select
        {%- for key in keys %}
        coalesce(fresh.{{ key }}, scope.{{ key }}) as _key_{{ key }},
        {%- endfor %}
        fresh.*
    from fresh
    full outer join scope
        on {% for key in keys %}fresh.{{ key }} = scope.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
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
when not matched and build.{{ keys[0] }} is not null then insert (
    {%- for column in columns %}
    {{ adapter.quote(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
) values (
    {%- for column in columns %}
    build.{{ adapter.quote(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
)
{%- endmacro -%}
