{#-
  What is wrong with a row, as (reason, condition). Conditions read silver's column names. The first fault that
  holds is the row's data_quality_flag; quarantine lists all faults and warnings that hold.

  An installment with a fault is kept out of gold: its money or its debtor is unknown. A fault of a company hides
  no money: its buyers' installments count, and `company_data_quality` in gold says that the company is not valid.
  A warning changes nothing but the list.
-#}
{%- macro company_faults() -%}
    {{- return([
        ('INVALID_CAPITAL', 'share_capital is null or share_capital < 0'),
        ('INVALID_ZIPCODE', "zip_code is null or not regexp_contains(zip_code, r'^[0-9]{8}$')"),
        ('MISSING_CNAE', "coalesce(trim(main_cnae), '') = ''"),
    ]) -}}
{%- endmacro -%}

{%- macro company_warnings() -%}
    {{- return([('INVALID_CNPJ', 'not ' ~ is_cnpj('tax_id'))]) -}}
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

{#- A CPF, of a person, has 11 digits and is no mistyped CNPJ. -#}
{%- macro installment_warnings() -%}
    {{- return([
        ('BUYER_IS_PERSON', "regexp_contains(buyer_tax_id, r'^[0-9]{11}$')"),
        (
            'INVALID_CNPJ',
            "not regexp_contains(buyer_tax_id, r'^[0-9]{11}$') and not " ~ is_cnpj('buyer_tax_id')
        ),
        ('PAID_BEFORE_ISSUE', 'recorded_paid_date < invoice_issue_date'),
        ('DUE_BEFORE_ISSUE', 'due_date < invoice_issue_date'),
        ('NUMBER_ABOVE_COUNT', 'installment_number > installment_count'),
        ('PAYMENT_WITHOUT_DATE', 'recorded_paid_date is null and paid_amount is not null'),
        ('ZERO_AMOUNT', 'expected_amount = 0'),
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

{#- The reasons that hold as an array, so that each row is read once for all of them. -#}
{%- macro reasons_that_hold(checks) -%}
[
    {%- for reason, condition in checks %}
    if({{ condition }}, '{{ reason }}', null){{ ',' if not loop.last }}
    {%- endfor %}
]
{%- endmacro -%}

{#- The buyer of a row of bronze. -#}
{%- macro buyer_tax_id() -%}
{{ normalized_tax_id('buyer_tax_id') }}
{%- endmacro -%}
