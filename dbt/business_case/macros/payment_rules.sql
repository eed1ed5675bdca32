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
            {{ tiers_by('completion_rate', 'overdue_rate') }}
        end
{%- endmacro -%}

{#- The same limits over the installments that are due: what is not due yet speaks for nobody, nor against. -#}
{%- macro payment_tier_of_due() -%}
case
            when total_installments = 0 then 'NO_HISTORY'
            when due_installments = 0 then 'NOT_DUE_YET'
            {{ tiers_by('paid_of_due_percent', 'overdue_of_due_percent') }}
        end
{%- endmacro -%}

{%- macro tiers_by(completion, overdue) -%}
{%- for tier in ['excellent', 'good', 'fair'] %}
            when {{ completion }} >= {{ var(tier ~ '_completion_percent') }}
                and average_days_from_due_date <= {{ var(tier ~ '_average_days') }}
                and {{ overdue }} <= {{ var(tier ~ '_overdue_percent') }}
                then '{{ tier | upper }}'
            {%- endfor %}
            when {{ completion }} >= {{ var('poor_completion_percent') }}
                and {{ overdue }} <= {{ var('poor_overdue_percent') }}
                then 'POOR'
            else 'HIGH_RISK'
{%- endmacro -%}

{%- macro company_risk_category() -%}
case
        when payment_tier in ('EXCELLENT', 'GOOD') then 'LOW'
        when payment_tier = 'FAIR' then 'MEDIUM'
        when payment_tier in ('POOR', 'HIGH_RISK') then 'HIGH'
        else 'NONE'
    end
{%- endmacro -%}

{#- The parts of risk_score; NULL without installments, whose rates are NULL too. -#}
{%- macro score_of_completion() -%}
cast(numeric '{{ var("risk_points_per_completion_percent") }}' * completion_rate as numeric)
{%- endmacro -%}

{%- macro score_of_punctuality() -%}
case
            when total_installments = 0 then null
            {%- for step in ['early', 'on_time', 'late'] %}
            when average_days_from_due_date <= {{ var('risk_' ~ step ~ '_days') }}
                then {{ var('risk_' ~ step ~ '_points') }}
            {%- endfor %}
            else 0
        end
{%- endmacro -%}

{%- macro score_of_lack_of_overdue() -%}
cast(numeric '{{ var("risk_points_per_not_overdue_percent") }}' * (100 - overdue_rate) as numeric)
{%- endmacro -%}

{#- 0 to 100 points, higher is better: the sum of its parts. -#}
{%- macro risk_score() -%}
round(
        cast(
            least(100, greatest(0, completion_points + punctuality_points + not_overdue_points)) as numeric
        ), 2
    )
{%- endmacro -%}

{#- Why no new invoice of a company should be bought, whatever its score; blank separated, NULL without one. -#}
{%- macro eligibility_alerts() -%}
nullif(
            trim(concat(
                case registration_status
                    when 'CLOSED' then 'CLOSED '
                    when 'UNFIT' then 'UNFIT '
                    when 'SUSPENDED' then 'SUSPENDED '
                    else ''
                end,
                if(company_data_quality = 'COMPANY_UNKNOWN', 'UNKNOWN ', ''),
                if(
                    opening_date > date_sub(
                        {{ business_date() }}, interval {{ var('eligible_from_age_days') }} day
                    ),
                    'YOUNG ',
                    ''
                ),
                if(worst_days_past_due > 90, 'OVER_90_DAYS ', '')
            )), ''
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
