{#- The business rules of gold. Thresholds are variables of dbt_project.yml, with their units. -#}

{#- A payment by the last day that it can be confirmed on is not missing yet (macros/business_days.sql). -#}
{%- macro payment_status() -%}
case
        when paid_date is not null then 'PAID'
        when confirmed_until < {{ business_date() }} then 'OVERDUE'
        when payable_until < {{ business_date() }} then 'AWAITING_CONFIRMATION'
        else 'PENDING'
    end
{%- endmacro -%}

{#-
  Negative is before the due date. Paid by `payable_until` is on the day, and what can still be confirmed is
  not late; from then on days run from the due date itself (STJ, REsp 1.954.924).
-#}
{%- macro days_from_due_date() -%}
case
        when paid_date > due_date and paid_date <= payable_until then 0
        when paid_date is not null then date_diff(paid_date, due_date, day)
        when {{ business_date() }} > due_date and {{ business_date() }} <= confirmed_until then 0
        else date_diff({{ business_date() }}, due_date, day)
    end
{%- endmacro -%}

{#-
  What is still owed: all of it while unpaid, the rest after a short payment. A rest that variance_type calls
  EXACT, or that a rebate may be (`rebate_at_most_percent`), is settled.
-#}
{%- macro outstanding_amount() -%}
case
            when paid_date is null then expected_amount
            when expected_amount - paid_amount <= greatest(
                numeric '{{ var("exact_variance_brl") }}',
                expected_amount * numeric '{{ var("rebate_at_most_percent") }}' * numeric '0.01'
            ) then numeric '0'
            else expected_amount - paid_amount
        end
{%- endmacro -%}

{#- From the due date, also of the rest of a short payment; 0 while nothing is owed or nothing is late. -#}
{%- macro days_past_due() -%}
case
        when outstanding_amount > 0
            and if(paid_date is null, confirmed_until, payable_until) < {{ business_date() }}
            then date_diff({{ business_date() }}, due_date, day)
        else 0
    end
{%- endmacro -%}

{#- From the rates as they are shown (two decimals), so that a reader can check the tier by hand. -#}
{%- macro payment_tier() -%}
case
            when total_installments = 0 then 'NO_HISTORY'
            {%- for tier in ['excellent', 'good', 'fair'] %}
            when completion_rate >= {{ var(tier ~ '_completion_percent') }}
                and average_days_from_due_date <= {{ var(tier ~ '_average_days') }}
                and overdue_rate <= {{ var(tier ~ '_overdue_percent') }}
                then '{{ tier | upper }}'
            {%- endfor %}
            when completion_rate >= {{ var('poor_completion_percent') }}
                and overdue_rate <= {{ var('poor_overdue_percent') }}
                then 'POOR'
            else 'HIGH_RISK'
        end
{%- endmacro -%}

{%- macro company_risk_category() -%}
case
        when payment_tier in ('EXCELLENT', 'GOOD') then 'LOW'
        when payment_tier = 'FAIR' then 'MEDIUM'
        when payment_tier in ('POOR', 'HIGH_RISK') then 'HIGH'
        else 'NONE'
    end
{%- endmacro -%}

{#- 0 to 100 points, higher is better; NULL without installments, whose rates are NULL too. -#}
{%- macro risk_score() -%}
round(
        cast(
            least(100, greatest(0,
                numeric '{{ var("risk_points_per_completion_percent") }}' * completion_rate
                + case
                    {%- for step in ['early', 'on_time', 'late'] %}
                    when average_days_from_due_date <= {{ var('risk_' ~ step ~ '_days') }}
                        then {{ var('risk_' ~ step ~ '_points') }}
                    {%- endfor %}
                    else 0
                end
                + numeric '{{ var("risk_points_per_not_overdue_percent") }}' * (100 - overdue_rate)
            )) as numeric
        ), 2
    )
{%- endmacro -%}

{%- macro geographic_tier(uf) -%}
case
            {%- for tier in [1, 2, 3] %}
            when {{ uf }} in ('{{ var("tier_" ~ tier ~ "_states") | join("', '") }}') then 'TIER_{{ tier }}'
            {%- endfor %}
            else 'UNKNOWN'
        end
{%- endmacro -%}

{#- Paid on the due day is EARLY. The report's own buckets of days overdue are in lib/credix/report/portfolio.py. -#}
{%- macro payment_behavior() -%}
case
        when installments.payment_status = 'PAID' then
            case
                when installments.days_from_due_date <= 0 then 'EARLY'
                when installments.days_from_due_date <= {{ var('on_time_days') }} then 'ON_TIME'
                when installments.days_from_due_date <= {{ var('late_days') }} then 'LATE'
                else 'VERY_LATE'
            end
        when installments.payment_status = 'OVERDUE' then
            if(
                installments.days_from_due_date <= {{ var('recently_overdue_days') }},
                'RECENTLY_OVERDUE',
                'SEVERELY_OVERDUE'
            )
        else 'PENDING'
    end
{%- endmacro -%}

{%- macro payment_size_category(amount) -%}
case
        {%- for size in ['tiny', 'small', 'medium', 'large'] %}
        when {{ amount }} < {{ var(size ~ '_amount_brl') }} then '{{ size | upper }}'
        {%- endfor %}
        else 'VERY_LARGE'
    end
{%- endmacro -%}

{%- macro variance_type() -%}
case
        when installments.paid_date is null then 'NOT_PAID'
        when abs(installments.paid_amount - installments.expected_amount)
            <= numeric '{{ var("exact_variance_brl") }}'
            then 'EXACT'
        when installments.paid_amount < installments.expected_amount then 'UNDERPAID'
        else 'OVERPAID'
    end
{%- endmacro -%}
