{#-
  The control table of one bronze table: one row. `claimed_seq` is the newest attempt that has begun a
  merge, `reconciled_seq` the newest one that captured the source's deletes: no key may be inserted at or
  below it, it might have been deleted since.

  Each merge updates the row inside its own transaction. BigQuery cancels a transaction that changes what
  another one changes, so of two merges at once only one commits. Each source has a table of its own: a
  table takes two such statements at a time and 25 in ten seconds.
-#}
{%- macro capture_control_relation(bronze) -%}
    {{- return(api.Relation.create(
        database=bronze.database,
        schema=bronze.schema,
        identifier='capture_control_' ~ bronze.identifier,
        type='table'
    )) -}}
{%- endmacro -%}

{#- The one control table of all sources that earlier versions kept: its guards are taken over. -#}
{%- macro shared_capture_control_relation(bronze) -%}
    {{- return(api.Relation.create(
        database=bronze.database, schema=bronze.schema, identifier='capture_control', type='table'
    )) -}}
{%- endmacro -%}

{#-
  One statement creates the table with its row: a table without a row would claim nothing. Where bronze
  is older than the table, no attempt below its newest rows may claim.
-#}
{%- macro create_capture_control_sql(bronze) -%}
{%- set shared = shared_capture_control_relation(bronze) -%}
create table if not exists {{ capture_control_relation(bronze) }} (
    source string not null options (description = 'Name of the source'),
    reconciled_seq int64 not null options (description = 'Fencing token of the newest attempt that captured the deletes; only ever raised'),
    claimed_seq int64 not null options (description = 'Fencing token of the newest attempt that began a merge; only ever raised'),
    updated_at timestamp not null options (description = 'When a merge last claimed this source (UTC)')
)
options (description = 'One row: no key is inserted into bronze at or below reconciled_seq, and no attempt below claimed_seq merges')
as
select
    '{{ bronze.identifier }}' as source,
    guard.reconciled_seq as reconciled_seq,
    {%- if load_relation(bronze) %}
    greatest(guard.reconciled_seq, (select coalesce(max(_seq), 0) from {{ bronze }})) as claimed_seq,
    {%- else %}
    guard.reconciled_seq as claimed_seq,
    {%- endif %}
    current_timestamp() as updated_at
from (
    {%- if load_relation(shared) %}
    select coalesce(max(reconciled_seq), 0) as reconciled_seq
    from {{ shared }}
    where source = '{{ bronze.identifier }}'
    {%- else %}
    select 0 as reconciled_seq
    {%- endif %}
) as guard
{%- endmacro -%}

{#-
  The first statement of a merge's transaction. It changes the row also where nothing is claimed, as in a
  replay, whose rows keep the tokens of their own attempts.
-#}
{%- macro claim_sql(bronze) -%}
{%- set attempt = fencing_token('attempt') -%}
update {{ capture_control_relation(bronze) }}
set
    {%- if attempt %}
    claimed_seq = greatest(claimed_seq, {{ attempt }}),
    {%- endif %}
    updated_at = current_timestamp()
where true
{%- endmacro -%}

{#- The last statement, of a run that has captured the deletes: raise the guard of those to come. -#}
{%- macro raise_reconciled_seq_sql(bronze) -%}
{%- set attempt = fencing_token('attempt') -%}
{%- set reconciled = fencing_token('reconciled_seq') -%}
update {{ capture_control_relation(bronze) }}
set reconciled_seq = {{ reconciled }}
where reconciled_seq < {{ reconciled }}{{ ' and claimed_seq = ' ~ attempt if attempt }}
{%- endmacro -%}

{#- One of the run's values that is a fencing token; empty where the run gives none. -#}
{%- macro fencing_token(name) -%}
    {%- set value = run_value(name) -%}
    {%- if value and not modules.re.fullmatch('[0-9]{1,18}', value) -%}
        {%- do exceptions.raise_compiler_error(
            "CREDIX_DBT_" ~ name | upper ~ " is '" ~ value ~ "': give the run's fencing token, or nothing."
        ) -%}
    {%- endif -%}
    {{- return(value) -}}
{%- endmacro -%}
