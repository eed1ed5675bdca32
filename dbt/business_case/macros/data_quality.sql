{#-
  What makes a row invalid, as (reason, condition), in order of precedence: data_quality_flag is the
  first that holds, quarantine lists all that hold. Conditions read silver's column names.
-#}
{%- macro company_faults() -%}
    {{- return([
        ('INVALID_CAPITAL', 'share_capital is null or share_capital < 0'),
        ('INVALID_ZIPCODE', "zip_code is null or not regexp_contains(zip_code, r'^[0-9]{8}$')"),
        ('MISSING_CNAE', "coalesce(trim(main_cnae), '') = ''"),
    ]) -}}
{%- endmacro -%}

{#-
  A paid installment without its paid amount counts as MISSING_AMOUNT: its money is unknown. A payment
  dated after today, not after the business day, cannot be: it is PAID_IN_FUTURE until that day has come.
-#}
{%- macro installment_faults() -%}
    {{- return([
        ('MISSING_KEY', 'buyer_tax_id is null'),
        ('MISSING_DUE_DATE', 'due_date is null'),
        (
            'MISSING_AMOUNT',
            'expected_amount is null or (paid_date is not null and paid_amount is null)'
        ),
        ('PAID_IN_FUTURE', "recorded_paid_date > date '" ~ today() ~ "'"),
        ('NEGATIVE_AMOUNT', 'expected_amount < 0 or paid_amount < 0'),
        (
            'AMOUNT_OUT_OF_RANGE',
            'expected_amount > ' ~ var('out_of_range_amount_brl')
            ~ ' or paid_amount > ' ~ var('out_of_range_amount_brl')
        ),
    ]) -}}
{%- endmacro -%}

{%- macro data_quality_flag(faults) -%}
case
        {%- for reason, condition in faults %}
        when {{ condition }} then '{{ reason }}'
        {%- endfor %}
        else 'VALID'
    end
{%- endmacro -%}

{#- The buyer of a row of bronze: trimmed, and NULL when blank. -#}
{%- macro buyer_tax_id() -%}
nullif(trim(buyer_tax_id), '')
{%- endmacro -%}
