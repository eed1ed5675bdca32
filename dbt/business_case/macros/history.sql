{#- The days that history is told for: the last month-ends, and the business day. -#}
{%- macro history_days() -%}
select date_sub(first_of_month, interval 1 day) as as_of
    from unnest(generate_date_array(
        date_trunc(date_sub({{ business_date() }}, interval {{ var('history_months') - 1 }} month), month),
        {{ business_date() }},
        interval 1 month
    )) as first_of_month

    union distinct

    select {{ business_date() }} as as_of
{%- endmacro -%}

{#- Buckets of CVM's monthly form of receivables funds (Informe Mensal, table V). -#}
{%- macro overdue_bucket(days) -%}
case
        when {{ days }} = 0 then 'NOT_OVERDUE'
        {%- set ns = namespace(from=1) %}
        {%- for until in [30, 60, 90, 120, 150, 180, 360, 720, 1080] %}
        when {{ days }} <= {{ until }} then '{{ ns.from }}-{{ until }}'
        {%- set ns.from = until + 1 %}
        {%- endfor %}
        else 'OVER_1080'
    end
{%- endmacro -%}
