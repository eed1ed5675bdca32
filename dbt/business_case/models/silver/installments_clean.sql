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

holidays as (

    select * from {{ ref('bank_holidays') }}

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
        {{ after_weekend('due_date') }} as due_weekday,
        _seq,
        _changed_at,
        _loaded_at
    from bronze

),

payable as (

    select
        renamed.*,
        coalesce(holidays.next_business_day, renamed.due_weekday) as payable_until
    from renamed
    left join holidays on renamed.due_weekday = holidays.holiday

),

settling as (

    select
        *,
        {{ day_after('payable_until') }} as day_of_return
    from payable

),

confirmable as (

    select
        settling.*,
        if(
            settling.payment_method in ('{{ var("methods_confirmed_next_business_day") | join("', '") }}'),
            coalesce(holidays.next_business_day, {{ after_weekend('settling.day_of_return') }}),
            settling.payable_until
        ) as confirmed_until
    from settling
    left join holidays on {{ after_weekend('settling.day_of_return') }} = holidays.holiday

),

owed as (

    select
        *,
        {{ outstanding_amount() }} as outstanding_amount
    from confirmable

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
    payable_until,
    confirmed_until,
    paid_date,
    recorded_paid_date,
    expected_amount,
    paid_amount,
    if(paid_date is null, numeric '0', least(paid_amount, expected_amount)) as principal_paid,
    if(paid_date is null, numeric '0', greatest(paid_amount - expected_amount, numeric '0')) as charges_paid,
    if(paid_date is null, numeric '0', greatest(expected_amount - paid_amount, numeric '0')) as residual_amount,
    outstanding_amount,
    {{ payment_status() }} as payment_status,
    {{ days_from_due_date() }} as days_from_due_date,
    {{ days_past_due() }} as days_past_due,
    {{ data_quality_flag(installment_faults()) }} as data_quality_flag,
    {{ business_date() }} as business_date,
    _seq,
    _changed_at,
    _loaded_at
from owed
