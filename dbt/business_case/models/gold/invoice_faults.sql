{{ config(materialized='derived') }}

-- What cannot be seen in one row. Nothing is kept out of gold for it.
with

installments as (

    select * from {{ ref('installments_clean') }}
    where invoice_id is not null

),

numbers as (

    select
        invoice_id,
        installment_number,
        count(*) as times,
        sum(expected_amount) as expected_amount
    from installments
    where installment_number is not null
    group by invoice_id, installment_number

),

invoices as (

    select
        invoice_id,
        count(distinct buyer_tax_id) as buyers,
        count(*) as times,
        max(installment_count) as promised,
        sum(expected_amount) as expected_amount
    from installments
    group by invoice_id

)

select
    invoice_id,
    'DUPLICATE_INSTALLMENT' as reason,
    sum(times) as installments,
    sum(expected_amount) as expected_amount
from numbers
where times > 1
group by invoice_id

union all

select
    invoice_id,
    'SEVERAL_BUYERS' as reason,
    times as installments,
    expected_amount
from invoices
where buyers > 1

union all

select
    invoice_id,
    'INSTALLMENTS_MISSING' as reason,
    times as installments,
    expected_amount
from invoices
where times < promised
