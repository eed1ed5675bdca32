{{ config(materialized='table') }}

{%- if builds_changes() %}
with

found as (

    -- Left by a build that died: silver may have lost the former buyers that it found.
    select cnpj from {{ this }} where seen = '{{ seen_by_gold() }}'

    union all

    select {{ normalized_tax_id('cnpj') }} as cnpj from {{ ref('cnpj_ws') }} where {{ is_changed('cnpj_ws') }}

    union all

    select {{ buyer_tax_id() }} as cnpj from {{ ref('installments') }} where {{ is_changed('installments') }}

    union all

    -- Former buyers: silver as the last build left it.
    select buyer_tax_id as cnpj
    from {{ this.incorporate(path={'identifier': 'installments_clean'}) }}
    where asset_id in ({{ scope_of_installments_clean() }})

)

select distinct
    cnpj,
    '{{ seen_by_gold() }}' as seen
from found
where cnpj is not null
{%- else %}
select
    cast(null as string) as cnpj,
    cast(null as string) as seen
limit 0
{%- endif %}
