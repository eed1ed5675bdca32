-- Fails if a company's totals are not the sums of its installments in the details.
-- Severity: error. Every real that is owed is in both.
with

details as (

    select
        buyer_tax_id,
        count(*) as installments,
        sum(expected_amount) as expected_amount,
        sum(if(payment_status = 'PAID', paid_amount, 0)) as paid_amount,
        sum(outstanding_amount) as outstanding_amount,
        sum(if(days_past_due > 0, outstanding_amount, 0)) as overdue_outstanding_amount
    from {{ ref('payment_analytics_detailed') }}
    group by buyer_tax_id

)

select coalesce(details.buyer_tax_id, summaries.buyer_tax_id) as buyer_tax_id
from details
full outer join {{ ref('company_payment_summary') }} as summaries
    on details.buyer_tax_id = summaries.buyer_tax_id
where
    summaries.buyer_tax_id is null
    or coalesce(details.installments, 0) != summaries.total_installments
    or coalesce(details.expected_amount, 0) != summaries.total_expected_amount
    or coalesce(details.paid_amount, 0) != summaries.total_paid_amount
    or coalesce(details.outstanding_amount, 0) != summaries.outstanding_amount
    or coalesce(details.overdue_outstanding_amount, 0) != summaries.overdue_outstanding_amount
