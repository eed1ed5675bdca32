-- Fails if gold's installments and the invalid ones of silver together are not bronze's live ones.
-- Severity: error. Counted, so that a duplicate cannot hide a loss. Silver's own tests hold its invalid
-- rows and quarantine to each other; so this one runs after gold alone, too.
select silver.live, gold.shown, silver.invalid
from (
    select count(*) as live, countif(data_quality_flag != 'VALID') as invalid
    from {{ ref('installments_clean') }}
) as silver
cross join (select count(*) as shown from {{ ref('payment_analytics_detailed') }}) as gold
where silver.live != gold.shown + silver.invalid
