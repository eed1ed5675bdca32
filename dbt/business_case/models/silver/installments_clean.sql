{{ config(unique_key='asset_id', cluster_by=['buyer_tax_id']) }}
{{- build_behind_touched_companies() }}

with

bronze as (

    select * from {{ ref('installments') }}
    where
        not _is_deleted
        and {{ is_issued('invoice_issue_date') }}
        {%- if builds_changes() %}
        and {{ is_changed('installments') }}
        {%- endif %}

),

renamed as (

    select
        asset_id,
        invoice_id,
        {{ buyer_tax_id() }} as buyer_tax_id,
        installment_number,
        installment_count,
        payment_method,
        invoice_issue_date,
        due_date,
        paid_date as recorded_paid_date,
        -- What was paid after the business day was not paid yet.
        if(paid_date > {{ business_date() }}, null, paid_date) as paid_date,
        cast(cast(expected_amount_in_cents as numeric) * numeric '0.01' as numeric) as expected_amount,
        if(
            paid_date > {{ business_date() }},
            null,
            cast(cast(paid_amount_in_cents as numeric) * numeric '0.01' as numeric)
        ) as paid_amount,
        _seq,
        _changed_at,
        _loaded_at
    from bronze

)

select
    asset_id,
    invoice_id,
    buyer_tax_id,
    installment_number,
    installment_count,
    payment_method,
    invoice_issue_date,
    due_date,
    paid_date,
    recorded_paid_date,
    expected_amount,
    paid_amount,
    case
        when paid_date is not null then 'PAID'
        when due_date < {{ business_date() }} then 'OVERDUE'
        else 'PENDING'
    end as payment_status,
    date_diff(coalesce(paid_date, {{ business_date() }}), due_date, day) as days_from_due_date,
    {{ data_quality_flag(installment_faults()) }} as data_quality_flag,
    {{ business_date() }} as business_date,
    _seq,
    _changed_at,
    _loaded_at
from renamed
