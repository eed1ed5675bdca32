{{ config(materialized='derived') }}

with

debtors as (

    select 'CNPJ' as debtor_kind, buyer_tax_id as debtor, outstanding_amount
    from {{ ref('company_payment_summary') }}
    where outstanding_amount > 0

    union all

    -- A company and its branches have one root.
    select 'ROOT' as debtor_kind, substr(buyer_tax_id, 1, 8) as debtor, sum(outstanding_amount) as outstanding_amount
    from {{ ref('company_payment_summary') }}
    where outstanding_amount > 0
    group by debtor

),

ranked as (

    select
        *,
        row_number() over (partition by debtor_kind order by outstanding_amount desc, debtor) as place,
        sum(outstanding_amount) over (partition by debtor_kind) as total_amount
    from debtors

)

select
    debtor_kind,
    count(*) as debtors,
    max(total_amount) as outstanding_amount,
    {%- for places in [1, 5, 10, 25] %}
    sum(if(place <= {{ places }}, outstanding_amount, 0)) as top_{{ places }}_amount,
    round(100 * sum(if(place <= {{ places }}, outstanding_amount / total_amount, 0)), 2) as top_{{ places }}_percent,
    {%- endfor %}
    round(
        10000 * sum((outstanding_amount / total_amount) * (outstanding_amount / total_amount)), 2
    ) as herfindahl_index,
    {{ business_date() }} as business_date
from ranked
group by debtor_kind
