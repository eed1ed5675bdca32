{{ config(
    unique_key='asset_id',
    partition_by={'field': 'due_date', 'data_type': 'date', 'granularity': 'month'},
    cluster_by=['buyer_tax_id']
) }}

with

installments as (

    select * from {{ ref('installments_clean') }}
    where
        data_quality_flag = 'VALID'
        {%- if builds_changes() %}
        and (
            {{ is_touched('buyer_tax_id') }}
            or {{ is_key_of_change('installments', 'asset_id') }}
        )
        {%- endif %}

),

summaries as (

    select * from {{ ref('company_payment_summary') }}

)

select
    installments.asset_id,
    installments.invoice_id,
    installments.buyer_tax_id,
    installments.installment_number,
    installments.installment_count,
    installments.payment_method,
    installments.invoice_issue_date,
    installments.due_date,
    installments.payable_until,
    installments.confirmed_until,
    extract(year from installments.due_date) as due_year,
    extract(quarter from installments.due_date) as due_quarter,
    extract(month from installments.due_date) as due_month,
    installments.paid_date,
    installments.expected_amount,
    installments.paid_amount,
    installments.paid_amount - installments.expected_amount as amount_variance,
    {{ variance_type() }} as variance_type,
    installments.principal_paid,
    installments.charges_paid,
    installments.residual_amount,
    installments.outstanding_amount,
    installments.payment_status,
    installments.days_from_due_date,
    installments.days_past_due,
    {{ payment_behavior() }} as payment_behavior,
    {{ payment_size_category('installments.expected_amount') }} as payment_size_category,
    summaries.company_size,
    summaries.registration_status,
    summaries.main_cnae,
    summaries.standardized_city,
    summaries.standardized_state,
    summaries.standardized_uf,
    coalesce(summaries.geographic_tier, 'UNKNOWN') as geographic_tier,
    coalesce(summaries.payment_tier, 'UNKNOWN') as payment_tier,
    coalesce(summaries.company_risk_category, 'UNKNOWN') as company_risk_category,
    summaries.company_data_quality as overall_data_quality,
    {{ business_date() }} as business_date
from installments
left join summaries on installments.buyer_tax_id = summaries.buyer_tax_id
