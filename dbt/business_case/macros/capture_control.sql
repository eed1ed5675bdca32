{#-
  The control table of bronze: up to which fence token a source's deletes were captured. No key may
  be inserted at or below it, it might have been deleted since.
-#}
{%- macro capture_control_relation(bronze) -%}
    {{- return(api.Relation.create(
        database=bronze.database, schema=bronze.schema, identifier='capture_control', type='table'
    )) -}}
{%- endmacro -%}

{%- macro create_capture_control_sql(relation) -%}
create table if not exists {{ relation }} (
    source string not null options (description = 'Name of the source'),
    reconciled_seq int64 not null options (description = 'Fence token of the newest run that captured the deletes; only ever raised'),
    updated_at timestamp not null options (description = 'When reconciled_seq was last raised (UTC)')
)
options (description = 'One row per source: no key is inserted into bronze at or below reconciled_seq')
{%- endmacro -%}

{#- After a merge: raise the guard, if this run says that it has captured the deletes. -#}
{%- macro raise_reconciled_seq() -%}
    {%- set value = run_value('reconciled_seq') -%}
    {%- if value -%}
        {%- if not modules.re.fullmatch('[0-9]{1,18}', value) -%}
            {%- do exceptions.raise_compiler_error(
                "CREDIX_DBT_RECONCILED_SEQ is '" ~ value ~ "': give the run's fence token, or nothing."
            ) -%}
        {%- endif -%}
merge into {{ capture_control_relation(this) }} as control
using (select '{{ this.identifier }}' as source, {{ value }} as reconciled_seq) as run
on control.source = run.source
when matched and run.reconciled_seq > control.reconciled_seq then update set
    reconciled_seq = run.reconciled_seq,
    updated_at = current_timestamp()
when not matched then insert (source, reconciled_seq, updated_at)
    values (run.source, run.reconciled_seq, current_timestamp())
    {%- endif -%}
{%- endmacro -%}
