-- Fails if a row is flagged and not in quarantine, or in quarantine and not flagged.
-- Severity: error. Warnings are in quarantine alone. Invalid rows are listed, never silently dropped.
with

flagged as (

    select 'cnpj_ws' as source, cnpj as key_value
    from {{ ref('cnpj_ws_clean') }} where data_quality_flag != 'VALID'
    union all
    select 'installments' as source, asset_id as key_value
    from {{ ref('installments_clean') }} where data_quality_flag != 'VALID'

),

listed as (

    select distinct source, key_value
    from {{ ref('quarantine') }}
    where reason in ('{{ (company_faults() + installment_faults()) | map(attribute=0) | join("', '") }}')

)

select
    coalesce(flagged.source, listed.source) as source,
    coalesce(flagged.key_value, listed.key_value) as key_value
from flagged
full outer join listed on flagged.source = listed.source and flagged.key_value = listed.key_value
where flagged.key_value is null or listed.key_value is null
