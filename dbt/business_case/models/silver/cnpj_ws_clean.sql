{{ config(unique_key='cnpj', cluster_by=['cnpj']) }}
{{- build_behind_touched_companies() }}

with

bronze as (

    select * from {{ ref('cnpj_ws') }}
    where
        not _is_deleted
        {%- if builds_changes() %}
        and {{ is_changed('cnpj_ws') }}
        {%- endif %}

)

select
    cnpj,
    {{ normalized_tax_id('cnpj') }} as tax_id,
    legal_name,
    email,
    phone,
    company_size,
    registration_status,
    main_cnae,
    share_capital,
    zip_code,
    upper(trim(city)) as standardized_city,
    upper(trim(state)) as standardized_state,
    upper(trim(uf)) as standardized_uf,
    opening_date,
    created_at,
    updated_at,
    {{ data_quality_flag(company_faults()) }} as data_quality_flag,
    _seq,
    _changed_at,
    _loaded_at
from bronze
