{{ config(materialized='view', schema='elementary') }}

-- Amounts of invoices are spread over five powers of ten: the average of a day follows its largest
-- invoice. The average of their logarithms, the magnitude of the typical amount, moves by 0.3 where
-- every amount of a day is doubled.
select
    invoice_issue_date,
    buyer_tax_id,
    payment_method,
    if(expected_amount > 0, log10(cast(expected_amount as float64)), null) as amount_magnitude
from {{ source('silver', 'installments_clean') }}
