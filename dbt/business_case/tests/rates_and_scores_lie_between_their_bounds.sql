-- Fails if a rate of counts or a score leaves 0 to 100.
-- Severity: error. recovery_rate may exceed 100: interest is paid on top of the amount owed.
select buyer_tax_id, completion_rate, overdue_rate, risk_score, data_quality_score
from {{ ref('company_payment_summary') }}
where
    not completion_rate between 0 and 100
    or not overdue_rate between 0 and 100
    or not risk_score between 0 and 100
    or not data_quality_score between 0 and 100
