-- Fails if silver lacks a live row of bronze, holds an older version of it, or holds any other row. An
-- invoice that is issued after the business day does not count yet.
-- Severity: error. A lost row is lost money. A build of changes does not look at rows that a merge
-- has brought since the build began: the next one does.
{% for bronze, silver, key, counts in [
    ('cnpj_ws', 'cnpj_ws_clean', 'cnpj', 'true'),
    ('installments', 'installments_clean', 'asset_id', is_issued('bronze.invoice_issue_date')),
] %}
select '{{ bronze }}' as source, coalesce(bronze.{{ key }}, silver.{{ key }}) as key_value
from {{ ref(bronze) }} as bronze
full outer join {{ ref(silver) }} as silver on bronze.{{ key }} = silver.{{ key }}
where
    (
        bronze.{{ key }} is null
        or ((bronze._is_deleted or not {{ counts }}) and silver.{{ key }} is not null)
        or (not bronze._is_deleted and {{ counts }} and silver._seq is distinct from bronze._seq)
    )
    {%- if execute and changes() %}
    and coalesce(bronze._seq, 0) <= {{ changes()[bronze].committed }}
    {%- endif %}
{{ 'union all' if not loop.last }}
{% endfor %}
