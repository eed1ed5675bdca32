-- Fails if gold's installments and the quarantined ones together are not bronze's live ones.
-- Severity: error. Counted, so that a duplicate cannot hide a loss.
select bronze.live, gold.shown, quarantine.held
from (select countif(not _is_deleted) as live from {{ ref('installments') }}) as bronze
cross join (select count(*) as shown from {{ ref('payment_analytics_detailed') }}) as gold
cross join (
    select count(distinct key_value) as held
    from {{ ref('quarantine') }} where source = 'installments'
) as quarantine
where bronze.live != gold.shown + quarantine.held
