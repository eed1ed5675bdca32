-- Fails if the tables of silver and gold were computed for different days.
-- Severity: error. Numbers of two days must not be compared.
select business_date
from (
    select business_date from {{ ref('installments_clean') }}
    union distinct
    select business_date from {{ ref('company_payment_summary') }}
    union distinct
    select business_date from {{ ref('payment_analytics_detailed') }}
)
qualify count(*) over () > 1
