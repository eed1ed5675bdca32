{#-
  A seed by one statement, as every other table: dbt's own seeds are load jobs, without the labels of the run,
  and loaded again by each build. A build of changes has nothing to do: a seed that differs changes the
  project, after which silver and gold are rebuilt in full.
-#}
{% materialization seed, adapter='bigquery' %}
    {%- set table = this.incorporate(type='table') -%}
    {{- run_hooks(pre_hooks) -}}
    {%- if builds_changes() -%}
        {%- call noop_statement('main', 'UNCHANGED', 'UNCHANGED', 0) -%}{%- endcall -%}
        {%- do store_result('agate_table', response='UNCHANGED') -%}
    {%- else -%}
        {%- set rows = load_agate_table() -%}
        {%- do store_result('agate_table', response='OK', agate_table=rows) -%}
        {%- call statement('main') -%}
            {{ create_seed_sql(table, rows) }}
        {%- endcall -%}
        {%- do persist_docs(table, model) -%}
    {%- endif -%}
    {{- run_hooks(post_hooks) -}}
    {{- return({'relations': [table]}) -}}
{% endmaterialization %}

{#-
  One text that BigQuery splits: an array of a thousand structs takes its analyzer a second. Types of the
  columns are those of the seed's .yml file; a blank cell is NULL.
-#}
{%- macro create_seed_sql(table, rows) -%}
{%- set lines = [] -%}
{%- for row in rows.rows -%}
    {%- set cells = [] -%}
    {%- for cell in row -%}{%- do cells.append('' if cell is none else cell | string) -%}{%- endfor -%}
    {%- do lines.append(cells | join('|')) -%}
{%- endfor -%}
create or replace table {{ table }} as
select
    {%- for name in rows.column_names %}
    cast(nullif(cells[offset({{ loop.index0 }})], '') as {{ model.columns[name].data_type }}) as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
from (
    select split(line, '|') as cells
    from unnest(split({{ tojson(lines | join('\n')) }}, '\n')) as line
)
{%- endmacro -%}
