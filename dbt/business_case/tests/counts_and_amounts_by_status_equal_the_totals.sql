-- Fails if the installments or amounts of a company by status do not add up to its totals.
-- Severity: error.
select buyer_tax_id
from {{ ref('company_payment_summary') }}
where
    total_installments != paid_installments + overdue_installments + pending_installments
    or total_expected_amount != paid_expected_amount + overdue_amount + pending_amount
