-- Fails if the summary misses a company of the register or a buyer of a valid installment, or holds any other.
-- Severity: error. A fault of a company's address hides no money.
select coalesce(known.tax_id, summaries.buyer_tax_id) as tax_id
from (
    select tax_id from {{ ref('cnpj_ws_clean') }} where tax_id is not null
    union distinct
    select buyer_tax_id as tax_id from {{ ref('installments_clean') }} where data_quality_flag = 'VALID'
) as known
full outer join {{ ref('company_payment_summary') }} as summaries on known.tax_id = summaries.buyer_tax_id
where known.tax_id is null or summaries.buyer_tax_id is null
