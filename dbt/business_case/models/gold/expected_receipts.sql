{{ config(materialized='derived') }}

with

installments as (

    select * from {{ ref('payment_analytics_detailed') }}

),

curves as (

    -- Of what fell due in the year before, how much companies of a tier have paid.
    select
        payment_tier,
        sum(principal_paid) / nullif(sum(expected_amount), 0) as collected_share
    from installments
    where
        payable_until < {{ business_date() }}
        and payable_until >= date_sub({{ business_date() }}, interval 365 day)
    group by payment_tier

),

falling_due as (

    select
        payable_until as receipt_date,
        payment_tier,
        count(*) as installments,
        sum(outstanding_amount) as contractual_amount
    from installments
    where outstanding_amount > 0 and payable_until >= {{ business_date() }}
    group by payable_until, payment_tier

)

select
    falling_due.receipt_date,
    date_trunc(falling_due.receipt_date, isoweek) as receipt_week,
    date_trunc(falling_due.receipt_date, month) as receipt_month,
    falling_due.payment_tier,
    falling_due.installments,
    falling_due.contractual_amount,
    round(falling_due.contractual_amount * curves.collected_share, 2) as expected_amount
from falling_due
left join curves on falling_due.payment_tier = curves.payment_tier
