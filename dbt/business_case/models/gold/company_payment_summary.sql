{{ config(unique_key='buyer_tax_id', cluster_by=['buyer_tax_id']) }}

with

companies as (

    select * from {{ ref('cnpj_ws_clean') }}
    where
        data_quality_flag = 'VALID'
        {%- if builds_changes() %}
        and {{ is_touched('cnpj') }}
        {%- endif %}

),

installments as (

    select
        *,
        data_quality_flag = 'VALID' as is_valid
    from {{ ref('installments_clean') }}
    where
        buyer_tax_id is not null
        {%- if builds_changes() %}
        and {{ is_touched('buyer_tax_id') }}
        {%- endif %}

),

payments as (

    select
        buyer_tax_id,
        count(*) as live_installments,
        countif(is_valid) as total_installments,
        countif(is_valid and payment_status = 'PAID') as paid_installments,
        countif(is_valid and payment_status = 'OVERDUE') as overdue_installments,
        countif(is_valid and payment_status in ('PENDING', 'AWAITING_CONFIRMATION')) as pending_installments,
        sum(if(is_valid, expected_amount, 0)) as total_expected_amount,
        sum(if(is_valid and payment_status = 'PAID', expected_amount, 0)) as paid_expected_amount,
        sum(if(is_valid and payment_status = 'OVERDUE', expected_amount, 0)) as overdue_amount,
        sum(if(is_valid and payment_status in ('PENDING', 'AWAITING_CONFIRMATION'), expected_amount, 0)) as pending_amount,
        sum(if(is_valid and payment_status = 'PAID', paid_amount, 0)) as total_paid_amount,
        sum(if(is_valid and payment_status = 'PAID', days_from_due_date, 0)) as paid_days
    from installments
    group by buyer_tax_id

),

companies_with_payments as (

    select
        companies.cnpj as buyer_tax_id,
        companies.company_size,
        companies.registration_status,
        companies.main_cnae,
        companies.share_capital,
        companies.standardized_city,
        companies.standardized_state,
        companies.standardized_uf,
        companies.opening_date,
        {{ geographic_tier('companies.standardized_uf') }} as geographic_tier,
        coalesce(payments.live_installments, 0) as live_installments,
        coalesce(payments.total_installments, 0) as total_installments,
        coalesce(payments.paid_installments, 0) as paid_installments,
        coalesce(payments.overdue_installments, 0) as overdue_installments,
        coalesce(payments.pending_installments, 0) as pending_installments,
        cast(coalesce(payments.total_expected_amount, 0) as numeric) as total_expected_amount,
        cast(coalesce(payments.paid_expected_amount, 0) as numeric) as paid_expected_amount,
        cast(coalesce(payments.overdue_amount, 0) as numeric) as overdue_amount,
        cast(coalesce(payments.pending_amount, 0) as numeric) as pending_amount,
        cast(coalesce(payments.total_paid_amount, 0) as numeric) as total_paid_amount,
        coalesce(payments.paid_days, 0) as paid_days
    from companies
    left join payments on companies.cnpj = payments.buyer_tax_id

),

amounts_in_cents as (

    select
        *,
        safe_cast(round(total_expected_amount * 100) as int64) as expected_in_cents,
        safe_cast(round(total_paid_amount * 100) as int64) as paid_in_cents
    from companies_with_payments

),

rates as (

    select
        *,
        {{ exact_percent('paid_installments', 'total_installments') }} as completion_rate,
        {{ exact_percent('overdue_installments', 'total_installments') }} as overdue_rate,
        {{ exact_percent('paid_in_cents', 'expected_in_cents') }} as recovery_rate,
        {{ exact_ratio('paid_days', 'paid_installments') }} as average_days_from_due_date,
        {{ exact_percent('total_installments', 'live_installments') }} as data_quality_score
    from amounts_in_cents

),

tiers as (

    select
        *,
        {{ payment_tier() }} as payment_tier
    from rates

)

select
    buyer_tax_id,
    company_size,
    registration_status,
    main_cnae,
    share_capital,
    standardized_city,
    standardized_state,
    standardized_uf,
    geographic_tier,
    opening_date,
    total_installments,
    paid_installments,
    overdue_installments,
    pending_installments,
    total_expected_amount,
    paid_expected_amount,
    overdue_amount,
    pending_amount,
    total_paid_amount,
    completion_rate,
    overdue_rate,
    recovery_rate,
    average_days_from_due_date,
    payment_tier,
    {{ company_risk_category() }} as company_risk_category,
    {{ risk_score() }} as risk_score,
    data_quality_score,
    {{ business_date() }} as business_date
from tiers
