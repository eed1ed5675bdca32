{{ config(materialized='derived') }}

with

positions as (

    select * from {{ ref('installment_positions') }}
    where as_of = last_day(as_of, month)

),

moves as (

    select
        positions.as_of,
        positions.overdue_bucket as from_bucket,
        coalesce(later.overdue_bucket, 'SETTLED') as to_bucket,
        positions.outstanding_amount
    from positions
    left join positions as later
        on
            positions.asset_id = later.asset_id
            and later.as_of = last_day(date_add(positions.as_of, interval 1 month), month)
    where last_day(date_add(positions.as_of, interval 1 month), month) <= {{ business_date() }}

),

sums as (

    select
        as_of,
        from_bucket,
        to_bucket,
        count(*) as installments,
        sum(outstanding_amount) as outstanding_amount
    from moves
    group by as_of, from_bucket, to_bucket

),

cents as (

    select
        *,
        {{ in_cents('outstanding_amount') }} as moved_in_cents,
        {{ in_cents('sum(outstanding_amount) over (partition by as_of, from_bucket)') }} as all_in_cents
    from sums

)

select
    as_of,
    from_bucket,
    to_bucket,
    installments,
    outstanding_amount,
    {{ exact_percent('moved_in_cents', 'all_in_cents') }} as percent_of_amount
from cents
