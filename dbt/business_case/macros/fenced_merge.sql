{#-
  The merge of bronze. dbt dispatches `get_merge_sql` here; under another root project only if its
  dispatch settings put business_case before dbt. Tables without `_seq` get dbt's own merge.
-#}
{%- macro bigquery__get_merge_sql(
    target, source, unique_key, dest_columns, incremental_predicates=none
) -%}
    {%- if '_seq' not in dest_columns | map(attribute='name') -%}
        {{- dbt.default__get_merge_sql(
            target, source, unique_key, dest_columns, incremental_predicates
        ) -}}
    {%- elif incremental_predicates -%}
        {%- do exceptions.raise_compiler_error(
            target ~ ": incremental_predicates belong to the ON clause, where a row that fails them"
            ~ " counts as not matched and is inserted a second time. Remove them."
        ) -%}
    {%- else -%}
        {%- set keys = [unique_key] if unique_key is string else unique_key -%}
        {{- claimed_merge_sql(target, source, keys, dest_columns | map(attribute='name') | list) -}}
    {%- endif -%}
{%- endmacro -%}

{#-
  The merge and its claim as one transaction (macros/capture_control.sql): two merges of one source never
  both commit, whatever became of the processes that sent them. BigQuery rolls back what fails.
-#}
{%- macro claimed_merge_sql(target, source, keys, columns) -%}
begin transaction;

{{ claim_sql(target) }};

{{ fenced_merge_sql(target, source, keys, columns) }};
{% if fencing_token('reconciled_seq') %}
{{ raise_reconciled_seq_sql(target) }};
{% endif %}
commit transaction;
{%- endmacro -%}

{#-
  A row changes only by a higher fencing token, and nothing changes or enters at or below the
  reconciled one: bronze was proven at it, what comes later under an older token is superseded. The
  guard is read inside the statement: a value rendered earlier would let a run that was paused in
  between bring deleted keys back. An attempt that a newer one has superseded claims nothing and
  merges nothing. A key that occurs twice fails the statement, since BigQuery itself only refuses it
  for rows that match.

  `_changed_at` moves only when the contract's columns or `_is_deleted` did; `_deleted_at` keeps the
  first snapshot of an unbroken absence.
-#}
{%- macro fenced_merge_sql(target, source, keys, columns) -%}
merge into {{ target }} as bronze
using (
    select
        rows_of_run.* except (_copies) replace (
            if(
                rows_of_run._copies = 1,
                rows_of_run._seq,
                error('{{ target.identifier }}: the delta of this run has more than one row for a key')
            ) as _seq
        ),
        guard.reconciled_seq as _reconciled_seq
    from (
        select *, count(*) over (partition by {{ keys | join(', ') }}) as _copies
        from {{ source }} as delta_of_run
    ) as rows_of_run
    cross join (
        select
            max(claimed_seq) as claimed_seq,
            if(
                count(*) = 1,
                max(reconciled_seq),
                error('{{ capture_control_relation(target).identifier }} must have one row: drop it, the next run creates it')
            ) as reconciled_seq
        from {{ capture_control_relation(target) }}
    ) as guard
    {%- if fencing_token('attempt') %}
    where guard.claimed_seq = {{ fencing_token('attempt') }}
    {%- endif %}
) as delta
on {% for key in keys %}bronze.{{ key }} = delta.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
when matched and delta._seq > bronze._seq and delta._seq > delta._reconciled_seq then update set
    {%- for column in columns if column not in keys %}
    {{ adapter.quote(column) }} =
    {%- if column == '_changed_at' %} if(
        bronze._row_hash is distinct from delta._row_hash or bronze._is_deleted != delta._is_deleted,
        delta._changed_at,
        bronze._changed_at
    )
    {%- elif column == '_deleted_at' %} if(
        bronze._is_deleted and delta._is_deleted, bronze._deleted_at, delta._deleted_at
    )
    {%- else %} delta.{{ adapter.quote(column) }}
    {%- endif %}{{ ',' if not loop.last }}
    {%- endfor %}
when not matched and delta._seq > delta._reconciled_seq then insert (
    {%- for column in columns %}
    {{ adapter.quote(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
) values (
    {%- for column in columns %}
    delta.{{ adapter.quote(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
)
{%- endmacro -%}
