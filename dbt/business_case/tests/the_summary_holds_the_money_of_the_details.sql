-- Fails if a company's totals are not the sums of its installments in the details.
-- Severity: error. Installments of unknown or invalid companies are in the details alone.
with

details as (

    select
        buyer_tax_id,
        count(*) as installments,
        sum(expected_amount) as expected_amount,
        sum(if(payment_status = 'PAID', paid_amount, 0)) as paid_amount
    from {{ ref('payment_analytics_detailed') }}
    where overall_data_quality = 'VALID'
    group by buyer_tax_id

)

select coalesce(details.buyer_tax_id, summaries.buyer_tax_id) as buyer_tax_id
from details
full outer join {{ ref('company_payment_summary') }} as summaries
    on details.buyer_tax_id = summaries.buyer_tax_id
where
    coalesce(details.installments, 0) != coalesce(summaries.total_installments, 0)
    or coalesce(details.expected_amount, 0) != coalesce(summaries.total_expected_amount, 0)
    or coalesce(details.paid_amount, 0) != coalesce(summaries.total_paid_amount, 0)
