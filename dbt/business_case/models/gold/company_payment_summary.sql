{{ config(unique_key='buyer_tax_id', cluster_by=['buyer_tax_id']) }}

with

companies as (

    select * from {{ ref('cnpj_ws_clean') }}
    where
        tax_id is not null
        {%- if builds_changes() %}
        and {{ is_touched('tax_id') }}
        {%- endif %}
    -- Two rows of the register that write one number differently are one company.
    qualify row_number() over (partition by tax_id order by _seq desc, cnpj) = 1

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
        countif(
            is_valid
            and (
                payment_status = 'OVERDUE'
                or (payment_status = 'PAID' and payable_until < {{ business_date() }})
            )
        ) as due_installments,
        countif(is_valid and payment_status = 'PAID' and payable_until < {{ business_date() }})
            as paid_due_installments,
        sum(if(is_valid, expected_amount, 0)) as total_expected_amount,
        sum(if(is_valid and payment_status = 'PAID', expected_amount, 0)) as paid_expected_amount,
        sum(if(is_valid and payment_status = 'OVERDUE', expected_amount, 0)) as overdue_amount,
        sum(
            if(is_valid and payment_status in ('PENDING', 'AWAITING_CONFIRMATION'), expected_amount, 0)
        ) as pending_amount,
        sum(if(is_valid and payment_status = 'PAID', paid_amount, 0)) as total_paid_amount,
        sum(if(is_valid and payment_status = 'PAID', days_from_due_date, 0)) as paid_days,
        sum(if(is_valid, principal_paid, 0)) as principal_paid,
        sum(if(is_valid, charges_paid, 0)) as charges_paid,
        sum(if(is_valid, outstanding_amount, 0)) as outstanding_amount,
        sum(if(is_valid and days_past_due > 0, outstanding_amount, 0)) as overdue_outstanding_amount,
        sum(if(is_valid and days_past_due > 90, outstanding_amount, 0)) as over_90_outstanding_amount,
        max(if(is_valid, days_past_due, 0)) as worst_days_past_due
    from installments
    group by buyer_tax_id

),

companies_with_payments as (

    select
        coalesce(companies.tax_id, payments.buyer_tax_id) as buyer_tax_id,
        companies.company_size,
        companies.registration_status,
        companies.main_cnae,
        companies.share_capital,
        companies.standardized_city,
        companies.standardized_state,
        companies.standardized_uf,
        companies.opening_date,
        {{ geographic_tier('companies.standardized_uf') }} as geographic_tier,
        case
            when companies.tax_id is null then 'COMPANY_UNKNOWN'
            when companies.data_quality_flag != 'VALID' then 'COMPANY_NOT_VALID'
            else 'VALID'
        end as company_data_quality,
        coalesce(payments.live_installments, 0) as live_installments,
        coalesce(payments.total_installments, 0) as total_installments,
        coalesce(payments.paid_installments, 0) as paid_installments,
        coalesce(payments.overdue_installments, 0) as overdue_installments,
        coalesce(payments.pending_installments, 0) as pending_installments,
        coalesce(payments.due_installments, 0) as due_installments,
        coalesce(payments.paid_due_installments, 0) as paid_due_installments,
        cast(coalesce(payments.total_expected_amount, 0) as numeric) as total_expected_amount,
        cast(coalesce(payments.paid_expected_amount, 0) as numeric) as paid_expected_amount,
        cast(coalesce(payments.overdue_amount, 0) as numeric) as overdue_amount,
        cast(coalesce(payments.pending_amount, 0) as numeric) as pending_amount,
        cast(coalesce(payments.total_paid_amount, 0) as numeric) as total_paid_amount,
        coalesce(payments.paid_days, 0) as paid_days,
        cast(coalesce(payments.principal_paid, 0) as numeric) as principal_paid,
        cast(coalesce(payments.charges_paid, 0) as numeric) as charges_paid,
        cast(coalesce(payments.outstanding_amount, 0) as numeric) as outstanding_amount,
        cast(coalesce(payments.overdue_outstanding_amount, 0) as numeric) as overdue_outstanding_amount,
        cast(coalesce(payments.over_90_outstanding_amount, 0) as numeric) as over_90_outstanding_amount,
        coalesce(payments.worst_days_past_due, 0) as worst_days_past_due
    from companies
    full outer join payments on companies.tax_id = payments.buyer_tax_id
    where companies.tax_id is not null or payments.total_installments > 0

),

amounts_in_cents as (

    select
        *,
        {{ in_cents('total_expected_amount') }} as expected_in_cents,
        {{ in_cents('total_paid_amount') }} as paid_in_cents,
        {{ in_cents('principal_paid') }} as principal_in_cents,
        {{ in_cents('outstanding_amount') }} as outstanding_in_cents,
        {{ in_cents('overdue_outstanding_amount') }} as overdue_in_cents
    from companies_with_payments

),

rates as (

    select
        *,
        {{ exact_percent('paid_installments', 'total_installments') }} as completion_rate,
        {{ exact_percent('overdue_installments', 'total_installments') }} as overdue_rate,
        {{ exact_percent('paid_due_installments', 'due_installments') }} as paid_of_due_percent,
        {{ exact_percent('overdue_installments', 'due_installments') }} as overdue_of_due_percent,
        {{ exact_percent('paid_in_cents', 'expected_in_cents') }} as recovery_rate,
        {{ exact_percent('principal_in_cents', 'expected_in_cents') }} as completion_rate_by_amount,
        {{ exact_percent('overdue_in_cents', 'expected_in_cents') }} as overdue_rate_by_amount,
        {{ exact_percent('overdue_in_cents', 'outstanding_in_cents') }} as overdue_of_outstanding_percent,
        {{ exact_ratio('paid_days', 'paid_installments') }} as average_days_from_due_date,
        {{ exact_percent('total_installments', 'live_installments') }} as data_quality_score
    from amounts_in_cents

),

tiers as (

    select
        *,
        {{ payment_tier() }} as payment_tier,
        {{ payment_tier_of_due() }} as payment_tier_of_due,
        {{ score_of_completion() }} as completion_points,
        {{ score_of_punctuality() }} as punctuality_points,
        {{ score_of_lack_of_overdue() }} as not_overdue_points,
        {{ eligibility_alerts() }} as eligibility_alerts
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
    company_data_quality,
    total_installments,
    paid_installments,
    overdue_installments,
    pending_installments,
    due_installments,
    paid_due_installments,
    total_expected_amount,
    paid_expected_amount,
    overdue_amount,
    pending_amount,
    total_paid_amount,
    principal_paid,
    charges_paid,
    outstanding_amount,
    overdue_outstanding_amount,
    over_90_outstanding_amount,
    worst_days_past_due,
    completion_rate,
    overdue_rate,
    recovery_rate,
    paid_of_due_percent,
    overdue_of_due_percent,
    completion_rate_by_amount,
    overdue_rate_by_amount,
    overdue_of_outstanding_percent,
    average_days_from_due_date,
    payment_tier,
    {{ company_risk_category() }} as company_risk_category,
    payment_tier_of_due,
    {{ risk_score() }} as risk_score,
    completion_points,
    cast(punctuality_points as numeric) as punctuality_points,
    not_overdue_points,
    '{{ var("score_version") }}' as score_version,
    eligibility_alerts,
    eligibility_alerts is null as is_eligible,
    data_quality_score,
    {{ business_date() }} as business_date
from tiers
