{{ config(materialized='derived') }}

with

positions as (

    select * from {{ ref('installment_positions') }}
    where as_of = last_day(as_of, month)

),

followed as (

    select
        positions.as_of,
        positions.overdue_bucket,
        months_later,
        positions.outstanding_amount,
        positions.outstanding_amount - coalesce(later.outstanding_amount, 0) as cured_amount
    from positions
    cross join unnest([1, 3, 6]) as months_later
    left join positions as later
        on
            positions.asset_id = later.asset_id
            and later.as_of = last_day(date_add(positions.as_of, interval months_later month), month)
    where
        positions.days_past_due > 30
        and last_day(date_add(positions.as_of, interval months_later month), month) <= {{ business_date() }}

),

sums as (

    select
        as_of,
        overdue_bucket,
        months_later,
        count(*) as installments,
        sum(outstanding_amount) as outstanding_amount,
        sum(cured_amount) as cured_amount
    from followed
    group by as_of, overdue_bucket, months_later

),

cents as (

    select
        *,
        {{ in_cents('cured_amount') }} as cured_in_cents,
        {{ in_cents('outstanding_amount') }} as outstanding_in_cents
    from sums

)

select
    as_of,
    overdue_bucket,
    months_later,
    installments,
    outstanding_amount,
    cured_amount,
    {{ exact_percent('cured_in_cents', 'outstanding_in_cents') }} as cured_percent
from cents
