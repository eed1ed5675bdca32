{#-
  What one run passes to dbt. Each value is a variable whose default is an environment variable; changed
  environment variables keep dbt's parse cache, changed --vars do not.

  variable        environment variable          meaning
  temp_table      CREDIX_DBT_TEMP_TABLE         hashed temp tables of the run, one per source, blank separated
  business_date   CREDIX_DBT_BUSINESS_DATE      YYYY-MM-DD the statuses are computed for; today in CREDIX_TIMEZONE
  attempt         CREDIX_DBT_ATTEMPT            fencing token of the run that merges; empty in a replay
  reconciled_seq  CREDIX_DBT_RECONCILED_SEQ     fencing token of a run that has captured the deletes; empty otherwise
  –               CREDIX_DBT_LABELS             labels of the run's jobs as JSON (macros/job_labels.sql)
  changes         CREDIX_DBT_CHANGES            per source the _seq that gold has seen and the committed one, as
                                                installments=40..42, blank separated; empty: build everything
-#}

{#-
  One of these values; empty while parsing. A value that dbt met while it parsed makes the next run,
  which has another one, parse every file again that asks for it.
-#}
{%- macro run_value(name) -%}
    {%- if execute -%}
        {{- return(var(name, env_var('CREDIX_DBT_' ~ name | upper, '')) | string) -}}
    {%- endif -%}
    {{- return('') -}}
{%- endmacro -%}

{#- The day it is in the business's time zone, whatever day the run is for: YYYY-MM-DD. -#}
{%- macro today() -%}
    {%- set zone = modules.pytz.timezone(env_var('CREDIX_TIMEZONE', 'America/Sao_Paulo')) -%}
    {{- return(run_started_at.astimezone(zone).strftime('%Y-%m-%d')) -}}
{%- endmacro -%}

{#- An invoice that was issued after the business day does not count; one without a day does. -#}
{%- macro is_issued(column) -%}
coalesce({{ column }} <= {{ business_date() }}, true)
{%- endmacro -%}

{#- The day of the run as a DATE literal. -#}
{%- macro business_date() -%}
    {%- set value = run_value('business_date') or today() -%}
    {%- if not modules.re.fullmatch('[0-9]{4}-[0-9]{2}-[0-9]{2}', value) -%}
        {%- do exceptions.raise_compiler_error(
            "CREDIX_DBT_BUSINESS_DATE is '" ~ value ~ "': write the business day as YYYY-MM-DD."
        ) -%}
    {%- endif -%}
    date '{{ value }}'
{%- endmacro -%}

{#- Per source the range of `_seq` that silver and gold have not seen yet; empty: build everything. -#}
{%- macro changes() -%}
    {%- set ranges = {} -%}
    {%- for part in run_value('changes').split() -%}
        {%- set found = modules.re.fullmatch('([a-z][a-z0-9_]*)=([0-9]{1,18})[.]{2}([0-9]{1,18})', part) -%}
        {%- if not found -%}
            {%- do exceptions.raise_compiler_error(
                "CREDIX_DBT_CHANGES says '" ~ part ~ "': write <source>=<seen>..<committed> for every"
                ~ " source, or nothing to build everything."
            ) -%}
        {%- endif -%}
        {%- do ranges.update({found.group(1): {'seen': found.group(2), 'committed': found.group(3)}}) -%}
    {%- endfor -%}
    {{- return(ranges) -}}
{%- endmacro -%}

{#- What gold has seen, as one text. -#}
{%- macro seen_by_gold() -%}
    {%- for source, range in changes().items() -%}
        {{ source }}={{ range.seen }}{{ ' ' if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}

{#- A table of the temp dataset as a relation. -#}
{%- macro temp_relation(identifier) -%}
    {%- set dataset = env_var('CREDIX_PREFIX', 'business_case') ~ '_temp' -%}
    {{- return(api.Relation.create(
        database=target.database, schema=dataset, identifier=identifier, type='table'
    )) -}}
{%- endmacro -%}

{#-
  The delta of this run for the bronze model that calls it: its hashed temp table and nothing else.
  The stable table <source>_dbt is refused, an overlapping run may swap it. A run that names no
  table of this source merges the empty reference table, that is, nothing.
-#}
{%- macro run_delta() -%}
    {%- set tables = run_value('temp_table').split() -%}
    {%- set own = [] -%}
    {%- for table in tables -%}
        {%- set name = modules.re.fullmatch('([a-z][a-z0-9_]*)_[0-9a-f]{12}', table) -%}
        {%- if not name -%}
            {%- do exceptions.raise_compiler_error(
                "CREDIX_DBT_TEMP_TABLE names '" ~ table
                ~ "': bronze reads only tables of one run, named <source>_<12 hex digits>."
            ) -%}
        {%- endif -%}
        {%- if name.group(1) == this.identifier -%}{%- do own.append(table) -%}{%- endif -%}
    {%- endfor -%}
    {%- if own | length > 1 -%}
        {%- do exceptions.raise_compiler_error(
            "CREDIX_DBT_TEMP_TABLE names more than one table of '" ~ this.identifier
            ~ "': run dbt once for each, in the order of their _seq."
        ) -%}
    {%- endif -%}
    {{- temp_relation(own[0] if own else this.identifier ~ '_schema') -}}
{%- endmacro -%}

{#- The source table behind a bronze model, as people know it: oltp.business_case_installments. -#}
{%- macro source_table(table=none, schema=none) -%}
    {{- schema or env_var('POSTGRES_SCHEMA', 'oltp') -}}
    .{{- table or 'business_case_' ~ this.identifier -}}
{%- endmacro -%}
