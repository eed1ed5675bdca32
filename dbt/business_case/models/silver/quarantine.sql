{{ config(unique_key=['source', 'key_value', 'reason']) }}

-- The faults and their conditions are in macros/data_quality.sql.
with

companies as (

    select * from {{ ref('cnpj_ws_clean') }}
    {%- if builds_changes() %}
    where {{ is_key_of_change('cnpj_ws', 'cnpj') }}
    {%- endif %}

),

installments as (

    select * from {{ ref('installments_clean') }}
    {%- if builds_changes() %}
    where {{ is_key_of_change('installments', 'asset_id') }}
    {%- endif %}

)

{% for reason, condition in company_faults() %}
select
    'cnpj_ws' as source,
    cnpj as key_value,
    '{{ reason }}' as reason,
    cast(null as numeric) as expected_amount,
    _changed_at
from companies
where {{ condition }}

union all
{% endfor %}
{%- for reason, condition in installment_faults() %}
select
    'installments' as source,
    asset_id as key_value,
    '{{ reason }}' as reason,
    expected_amount,
    _changed_at
from installments
where {{ condition }}
{% if not loop.last %}
union all
{% endif %}
{%- endfor %}
