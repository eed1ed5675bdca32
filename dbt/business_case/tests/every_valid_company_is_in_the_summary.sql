-- Fails if the summary misses a valid company or holds any other.
-- Severity: error.
select coalesce(companies.cnpj, summaries.buyer_tax_id) as cnpj
from (select cnpj from {{ ref('cnpj_ws_clean') }} where data_quality_flag = 'VALID') as companies
full outer join {{ ref('company_payment_summary') }} as summaries
    on companies.cnpj = summaries.buyer_tax_id
where companies.cnpj is null or summaries.buyer_tax_id is null
