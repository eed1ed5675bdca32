{#-
  numerator / denominator with two decimals, halves away from zero, as NUMERIC; NULL where the
  denominator is 0. Both are INT64 expressions and the denominator is not negative: the arithmetic
  stays in integers, so that a value on a threshold does not depend on binary fractions. What does
  not fit into INT64 is NULL instead of an error, which would stop the whole table for one row:
  SAFE_MULTIPLY and SAFE_ADD.
-#}
{%- macro exact_ratio(numerator, denominator) -%}
{%- set hundredths -%}
sign({{ numerator }})
            * (div(
                (safe_add(safe_multiply(200, abs({{ numerator }})), {{ denominator }})),
                nullif(safe_multiply(2, {{ denominator }}), 0)
            ))
{%- endset -%}
{{- from_hundredths(hundredths) -}}
{%- endmacro -%}

{#-
  part of whole in percent with two decimals; neither is negative. NULL as well where 20000 * part
  exceeds INT64: parts above 460 trillion.
-#}
{%- macro exact_percent(part, whole) -%}
    {%- set hundredths -%}
(div(
                (safe_add(safe_multiply(20000, {{ part }}), {{ whole }})),
                nullif(safe_multiply(2, {{ whole }}), 0)
            ))
    {%- endset -%}
    {{- from_hundredths(hundredths) -}}
{%- endmacro -%}

{#- An amount in BRL as INT64 cents; NULL where it does not fit. -#}
{%- macro in_cents(amount) -%}
safe_cast(round({{ amount }} * 100) as int64)
{%- endmacro -%}

{%- macro from_hundredths(integer) -%}
cast(
            cast({{ integer }} as numeric) * numeric '0.01' as numeric
        )
{%- endmacro -%}
