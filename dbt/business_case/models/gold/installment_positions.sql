{{ config(materialized='derived') }}

with

days as (

    {{ history_days() }}

),

installments as (

    select * from {{ ref('payment_analytics_detailed') }}

),

owed as (

    select
        days.as_of,
        installments.*,
        installments.paid_date is not null and installments.paid_date <= days.as_of as is_paid
    from installments
    cross join days
    where
        coalesce(installments.invoice_issue_date <= days.as_of, true)
        and (
            installments.outstanding_amount > 0
            or (installments.expected_amount > 0 and installments.paid_date > days.as_of)
        )

),

aged as (

    select
        *,
        if(is_paid, outstanding_amount, expected_amount) as owed_amount,
        if(
            if(is_paid, payable_until, confirmed_until) < as_of,
            date_diff(as_of, due_date, day),
            0
        ) as days_past_due_then
    from owed

)

select
    as_of,
    asset_id,
    invoice_id,
    buyer_tax_id,
    standardized_uf,
    company_size,
    payment_tier,
    owed_amount as outstanding_amount,
    days_past_due_then as days_past_due,
    {{ overdue_bucket('days_past_due_then') }} as overdue_bucket,
    max(days_past_due_then) over (partition by as_of, coalesce(invoice_id, asset_id)) as invoice_days_past_due
from aged
