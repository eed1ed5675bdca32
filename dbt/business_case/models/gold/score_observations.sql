{{ config(materialized='derived') }}

with

days as (

    -- Month-ends of which the twelve months after have passed.
    select as_of, last_day(date_add(as_of, interval 12 month), month) as until
    from (
        {{ history_days() }}
    )
    where
        as_of = last_day(as_of, month)
        and last_day(date_add(as_of, interval 12 month), month) <= {{ business_date() }}

),

installments as (

    select
        days.as_of,
        days.until,
        details.*,
        coalesce(details.paid_date <= days.as_of, false) as is_paid,
        coalesce(details.invoice_issue_date <= days.as_of, true) as is_issued,
        -- The day on which nothing more of it was owed.
        if(details.outstanding_amount > 0, date '9999-12-31', coalesce(details.paid_date, date '9999-12-31'))
            as settled_date
    from {{ ref('payment_analytics_detailed') }} as details
    cross join days
    where coalesce(details.invoice_issue_date <= days.until, true)

),

companies as (

    select
        as_of,
        buyer_tax_id,
        countif(is_issued) as total_installments,
        countif(is_issued and is_paid) as paid_installments,
        countif(is_issued and not is_paid and confirmed_until < as_of) as overdue_installments,
        sum(
            if(
                is_issued and is_paid and not (paid_date > due_date and paid_date <= payable_until),
                date_diff(paid_date, due_date, day),
                0
            )
        ) as paid_days,
        countif(
            is_issued and settled_date > as_of and payable_until < as_of and date_diff(as_of, due_date, day) > 90
        ) as installments_in_default,
        countif(
            settled_date > as_of
            and payable_until < until
            and date_diff(least(settled_date, until), due_date, day) > 90
        ) as installments_that_default
    from installments
    group by as_of, buyer_tax_id

),

rates as (

    select
        *,
        {{ exact_percent('paid_installments', 'total_installments') }} as completion_rate,
        {{ exact_percent('overdue_installments', 'total_installments') }} as overdue_rate,
        {{ exact_ratio('paid_days', 'paid_installments') }} as average_days_from_due_date
    from companies
    where total_installments > 0 and installments_in_default = 0

),

points as (

    select
        *,
        {{ payment_tier() }} as payment_tier,
        {{ score_of_completion() }} as completion_points,
        {{ score_of_punctuality() }} as punctuality_points,
        {{ score_of_lack_of_overdue() }} as not_overdue_points
    from rates

)

select
    as_of,
    buyer_tax_id,
    payment_tier,
    {{ risk_score() }} as risk_score,
    installments_that_default > 0 as has_defaulted
from points
