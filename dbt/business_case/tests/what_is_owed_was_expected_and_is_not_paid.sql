-- Fails if what was paid and what is still owed of an installment are not what was expected.
-- Severity: error. Less may be owed than lacks: a rebate, or a cent.
select asset_id
from {{ ref('payment_analytics_detailed') }}
where
    if(payment_status = 'PAID', principal_paid + residual_amount, outstanding_amount) != expected_amount
    or outstanding_amount not in (0, if(payment_status = 'PAID', residual_amount, expected_amount))
    or charges_paid < 0
    or (payment_status = 'PAID' and principal_paid + charges_paid != paid_amount)
    or (days_past_due > 0 and outstanding_amount = 0)
