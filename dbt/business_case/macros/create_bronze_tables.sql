{#-
  Before a run: the bronze tables and their control tables exist, so that the first merge is a merge
  too. dbt would begin with CREATE OR REPLACE, by which a run that was paused long ago could replace
  newer rows. Costs nothing once the tables are there, except one look at the columns of a bronze
  table that is about to be merged.
-#}
{%- macro create_bronze_tables() -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() if is_bronze_model(node) -%}
            {%- set relation = api.Relation.create(
                database=node.database, schema=node.schema, identifier=node.alias, type='table'
            ) -%}
            {%- set control = capture_control_relation(relation) -%}
            {%- if not load_relation(control) -%}
                {#- CREATE SCHEMA needs a right on the whole project even where the dataset is there. -#}
                {%- if not adapter.check_schema_exists(control.database, control.schema) -%}
                    {%- do adapter.create_schema(control) -%}
                {%- endif -%}
                {%- do run_query(create_capture_control_sql(relation)) -%}
                {%- do adapter.cache_added(control) -%}
            {%- endif -%}
            {%- if not load_relation(relation) -%}
                {%- do run_query(create_bronze_table_sql(relation, node)) -%}
                {%- do adapter.cache_added(relation) -%}
            {%- elif node.unique_id in selected_resources -%}
                {%- do add_new_columns(relation, node) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro is_bronze_model(node) -%}
    {{- return(
        node.resource_type == 'model'
        and node.package_name == 'business_case'
        and node.fqn[1] == 'bronze'
    ) -}}
{%- endmacro -%}

{#- The columns of landing files, from the empty reference table that is made from the contract. -#}
{%- macro reference_columns(node) -%}
    {%- set reference = temp_relation(node.name ~ '_schema') -%}
    {%- set table = adapter.get_bq_table(reference) -%}
    {%- if table is none -%}
        {%- do exceptions.raise_compiler_error(
            "The reference table " ~ reference ~ " does not exist: create it from the contract "
            ~ node.name ~ ".json (Terraform does, and so does the embedded stack)."
        ) -%}
    {%- endif -%}
    {{- return(table.schema) -}}
{%- endmacro -%}

{%- macro create_bronze_table_sql(relation, node) -%}
create table if not exists {{ relation }} (
    {%- for column in reference_columns(node) %}
    {{ column_sql(column) }},
    {%- endfor %}
    {%- for name in ['_changed_at', '_loaded_at', '_source_table'] %}
    {{ name }} {{ node.columns[name].data_type }} not null
    options (description = {{ tojson(node.columns[name].description) }}){{ ',' if not loop.last }}
    {%- endfor %}
)
partition by range_bucket(_seq, generate_array({{ seq_partitions() }}))
cluster by {{ node.config.cluster_by | join(', ') }}
options (description = {{ tojson(node.description) }})
{%- endmacro -%}

{#-
  Start, end and width of bronze's partitions of `_seq`: 9,000 of BigQuery's 10,000. A row beyond the
  end is kept in a partition without bounds; it is read by every query, and never lost.
-#}
{%- macro seq_partitions() -%}
    {%- set width = var('bronze_attempts_per_partition') -%}
    0, {{ 9000 * width }}, {{ width }}
{%- endmacro -%}

{%- macro column_sql(column) -%}
    {%- set ddl_types = {'INTEGER': 'INT64', 'FLOAT': 'FLOAT64', 'BOOLEAN': 'BOOL'} -%}
    {{ adapter.quote(column.name) }} {{ ddl_types.get(column.field_type, column.field_type) }}
    {{- ' not null' if column.mode == 'REQUIRED' }} options (description = {{ tojson(column.description or '') }})
{%- endmacro -%}

{#- A column that the contract gained is added to bronze; BigQuery can only add nullable ones. -#}
{%- macro add_new_columns(relation, node) -%}
    {%- set known = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
    {%- for column in reference_columns(node) if column.name not in known -%}
        {%- if column.mode == 'REQUIRED' -%}
            {%- do exceptions.raise_compiler_error(
                "Column '" ~ column.name ~ "' of " ~ node.name ~ ".json is REQUIRED, but " ~ relation
                ~ " exists without it: make it NULLABLE in the contract, or migrate bronze first."
            ) -%}
        {%- endif -%}
        {%- do run_query('alter table ' ~ relation ~ ' add column if not exists ' ~ column_sql(column)) -%}
    {%- endfor -%}
{%- endmacro -%}

{#- Stops a bronze model that dbt would build by CREATE OR REPLACE. -#}
{%- macro require_merge() -%}
    {%- if execute and flags.WHICH in ('run', 'build') and not is_incremental() -%}
        {%- do exceptions.raise_compiler_error(
            this ~ " does not exist although on-run-start creates it: bronze is only ever merged into."
        ) -%}
    {%- endif -%}
{%- endmacro -%}
