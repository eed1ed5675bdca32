{#-
  What a build computes again. A run that says which `changes` it brings (macros/run_values.sql)
  computes the rows of bronze whose `_seq` is in the given range, and in gold all of the companies
  that they touch; any other build computes everything. While parsing both are, for the graph.
-#}

{#- True where the tables are brought up to date, false where they are rebuilt in full. -#}
{%- macro builds_changes() -%}
    {{- return(not execute or changes() != {}) -}}
{%- endmacro -%}

{#-
  A condition on bronze. It ends with what was committed when the build began: a row that is merged
  while silver is built would take its former buyer along before touched_companies has seen it.
-#}
{%- macro is_changed(source) -%}
    {%- if execute -%}
        {%- set range = changes()[source] -%}
        _seq > {{ range.seen }} and _seq <= {{ range.committed }}
    {%- endif -%}
{%- endmacro -%}

{#-
  A condition on a key of silver. Without an end: silver is what these keys are made equal to,
  whichever version of them it holds.
-#}
{%- macro is_key_of_change(source, key) -%}
    {{ key }} in (select {{ key }} from {{ ref(source) }} where _seq > {{ changes()[source].seen if execute }})
{%- endmacro -%}

{#- A condition on a column of companies. -#}
{%- macro is_touched(column) -%}
    {{ column }} in (select cnpj from {{ ref('touched_companies') }})
{%- endmacro -%}

{#-
  Names touched_companies to the graph alone: it looks at silver as the last build left it, so silver
  is merged after it.
-#}
{%- macro build_behind_touched_companies() -%}
    {%- if not execute -%}{%- do ref('touched_companies') -%}{%- endif -%}
{%- endmacro -%}

{#- The scope of each maintained table: the keys that leave it unless its SQL yields them. -#}

{%- macro scope_of_cnpj_ws_clean() -%}
select cnpj from {{ ref('cnpj_ws') }} where {{ is_changed('cnpj_ws') }}
{%- endmacro -%}

{%- macro scope_of_installments_clean() -%}
select asset_id from {{ ref('installments') }} where {{ is_changed('installments') }}
{%- endmacro -%}

{%- macro scope_of_quarantine() -%}
{%- set sources = [
    ('cnpj_ws', 'cnpj', company_faults() + company_warnings()),
    ('installments', 'asset_id', installment_faults() + installment_warnings())
] -%}
{%- for source, key, faults in sources -%}
select '{{ source }}' as source, {{ key }} as key_value, reason
        from {{ ref(source) }}
        cross join unnest(['{{ faults | map(attribute=0) | join("', '") }}']) as reason
        where _seq > {{ changes()[source].seen }}
        {{ 'union all' if not loop.last }}
        {% endfor -%}
{%- endmacro -%}

{%- macro scope_of_company_payment_summary() -%}
select cnpj as buyer_tax_id from {{ ref('touched_companies') }}
{%- endmacro -%}

{%- macro scope_of_payment_analytics_detailed() -%}
select asset_id from {{ ref('installments') }} where _seq > {{ changes()['installments'].seen }}
{%- endmacro -%}
