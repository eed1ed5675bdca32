{{ config(unique_key=['source', 'key_value', 'reason']) }}

-- The faults, the warnings and their conditions are in macros/data_quality.sql.
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

select
    'cnpj_ws' as source,
    companies.cnpj as key_value,
    reason,
    'WARNING' as severity,
    cast(null as numeric) as expected_amount,
    companies._changed_at
from companies
cross join unnest({{ reasons_that_hold(company_faults() + company_warnings()) }}) as reason
where reason is not null

union all

select
    'installments' as source,
    installments.asset_id as key_value,
    reason,
    if(
        reason in ('{{ installment_faults() | map(attribute=0) | join("', '") }}'), 'ERROR', 'WARNING'
    ) as severity,
    installments.expected_amount,
    installments._changed_at
from installments
cross join unnest({{ reasons_that_hold(installment_faults() + installment_warnings()) }}) as reason
where reason is not null
