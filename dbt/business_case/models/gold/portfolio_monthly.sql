{{ config(materialized='derived') }}

select
    as_of,
    overdue_bucket,
    coalesce(standardized_uf, 'UNKNOWN') as uf,
    coalesce(company_size, 'UNKNOWN') as company_size,
    payment_tier,
    count(*) as installments,
    sum(outstanding_amount) as outstanding_amount,
    sum(if(days_past_due > 0, outstanding_amount, 0)) as overdue_amount,
    sum(if(days_past_due between 15 and 90, outstanding_amount, 0)) as overdue_15_to_90_amount,
    sum(if(days_past_due > 90, outstanding_amount, 0)) as overdue_over_90_amount,
    sum(if(invoice_days_past_due > 90, outstanding_amount, 0)) as over_90_with_drag_amount,
    sum(
        if(invoice_days_past_due between 15 and 90, outstanding_amount, 0)
    ) as from_15_to_90_with_drag_amount
from {{ ref('installment_positions') }}
group by as_of, overdue_bucket, uf, company_size, payment_tier
