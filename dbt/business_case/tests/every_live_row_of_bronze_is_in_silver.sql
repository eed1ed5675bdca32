-- Fails if a row of bronze that is not deleted is missing in silver, or silver holds any other row.
-- Severity: error. A lost row is lost money.
{% for bronze, silver, key in [
    ('cnpj_ws', 'cnpj_ws_clean', 'cnpj'),
    ('installments', 'installments_clean', 'asset_id'),
] %}
select '{{ bronze }}' as source, coalesce(bronze.{{ key }}, silver.{{ key }}) as key_value
from (select {{ key }} from {{ ref(bronze) }} where not _is_deleted) as bronze
full outer join {{ ref(silver) }} as silver on bronze.{{ key }} = silver.{{ key }}
where bronze.{{ key }} is null or silver.{{ key }} is null
{{ 'union all' if not loop.last }}
{% endfor %}
