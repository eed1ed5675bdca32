{{ config(materialized='derived') }}

with

firsts as (

    select
        date_trunc(invoice_issue_date, month) as issue_month,
        expected_amount,
        due_date,
        if(
            payable_until < {{ business_date() }},
            date_diff(
                if(outstanding_amount > 0, {{ business_date() }}, coalesce(paid_date, {{ business_date() }})),
                due_date,
                day
            ),
            0
        ) as days_late
    from {{ ref('payment_analytics_detailed') }}
    where installment_number = 1 and invoice_issue_date is not null

),

counts as (

    select
        issue_month,
        count(*) as invoices,
        {%- for days in [15, 30] %}
        -- Those whose time to be so late has passed.
        countif(date_diff({{ business_date() }}, due_date, day) > {{ days }}) as observed_{{ days }}_invoices,
        countif(days_late > {{ days }}) as over_{{ days }}_invoices,
        sum(if(days_late > {{ days }}, expected_amount, 0)) as over_{{ days }}_amount{{ ',' if not loop.last }}
        {%- endfor %}
    from firsts
    group by issue_month

)

select
    issue_month,
    invoices,
    {%- for days in [15, 30] %}
    observed_{{ days }}_invoices,
    over_{{ days }}_invoices,
    over_{{ days }}_amount,
    {{ exact_percent('over_' ~ days ~ '_invoices', 'observed_' ~ days ~ '_invoices') }} as over_{{ days }}_percent
    {{- ',' if not loop.last }}
    {%- endfor %}
from counts
