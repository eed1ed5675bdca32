{{ config(materialized='derived') }}

with

observed as (

    select
        *,
        ntile(10) over (partition by as_of order by risk_score, buyer_tax_id) as decile
    from {{ ref('score_observations') }}

),

grouped as (

    select as_of, 'TIER' as grouped_by, payment_tier as group_name, has_defaulted from observed

    union all

    select as_of, 'DECILE' as grouped_by, format('%02d', decile) as group_name, has_defaulted from observed

    union all

    select as_of, 'ALL' as grouped_by, 'ALL' as group_name, has_defaulted from observed

),

counts as (

    select
        as_of,
        grouped_by,
        group_name,
        count(*) as companies,
        countif(has_defaulted) as defaulted_companies
    from grouped
    group by as_of, grouped_by, group_name

),

-- Good and bad companies with less than, and with exactly, each score.
scores as (

    select
        as_of,
        risk_score,
        countif(has_defaulted) as bad,
        countif(not has_defaulted) as good
    from observed
    group by as_of, risk_score

),

cumulated as (

    select
        *,
        sum(bad) over (partition by as_of order by risk_score) as bad_up_to,
        sum(good) over (partition by as_of order by risk_score) as good_up_to,
        sum(bad) over (partition by as_of) as all_bad,
        sum(good) over (partition by as_of) as all_good
    from scores

),

measures as (

    select
        as_of,
        -- A good company has a higher score than a bad one; half of the ties count.
        round(
            sum(good * (bad_up_to - bad) + 0.5 * good * bad) / nullif(max(all_bad) * max(all_good), 0), 4
        ) as area_under_curve,
        round(
            max(abs(bad_up_to / nullif(all_bad, 0) - good_up_to / nullif(all_good, 0))), 4
        ) as kolmogorov_smirnov
    from cumulated
    group by as_of

)

select
    counts.as_of,
    counts.grouped_by,
    counts.group_name,
    counts.companies,
    counts.defaulted_companies,
    {{ exact_percent('counts.defaulted_companies', 'counts.companies') }} as default_rate,
    if(counts.grouped_by = 'ALL', measures.area_under_curve, null) as area_under_curve,
    if(counts.grouped_by = 'ALL', round(2 * measures.area_under_curve - 1, 4), null) as gini,
    if(counts.grouped_by = 'ALL', measures.kolmogorov_smirnov, null) as kolmogorov_smirnov
from counts
left join measures on counts.as_of = measures.as_of
