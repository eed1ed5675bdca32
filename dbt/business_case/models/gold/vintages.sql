{{ config(materialized='derived') }}

with

installments as (

    select
        *,
        date_trunc(invoice_issue_date, month) as issue_month
    from {{ ref('payment_analytics_detailed') }}
    where invoice_issue_date >= date_trunc(
        date_sub({{ business_date() }}, interval {{ var('history_months') }} month), month
    )

),

observed as (

    select
        issue_month,
        months_on_book,
        expected_amount,
        if(paid_date <= last_day(date_add(issue_month, interval months_on_book month), month), principal_paid, 0)
            as collected_amount,
        -- How late it has been by then: until it was paid in full, or until then.
        if(
            payable_until < last_day(date_add(issue_month, interval months_on_book month), month),
            date_diff(
                least(
                    if(outstanding_amount > 0, date '9999-12-31', coalesce(paid_date, date '9999-12-31')),
                    last_day(date_add(issue_month, interval months_on_book month), month)
                ),
                due_date,
                day
            ),
            0
        ) as worst_days
    from installments
    cross join unnest(generate_array(0, {{ var('history_months') }})) as months_on_book
    where last_day(date_add(issue_month, interval months_on_book month), month) <= {{ business_date() }}

)

select
    issue_month,
    months_on_book,
    count(*) as installments,
    sum(expected_amount) as issued_amount,
    sum(collected_amount) as collected_amount,
    sum(if(worst_days > 30, expected_amount, 0)) as ever_over_30_amount,
    sum(if(worst_days > 60, expected_amount, 0)) as ever_over_60_amount,
    sum(if(worst_days > 90, expected_amount, 0)) as ever_over_90_amount
from observed
group by issue_month, months_on_book
