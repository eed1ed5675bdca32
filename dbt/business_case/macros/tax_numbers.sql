{#-
  A tax number as it is compared: letters and digits alone, in capitals, and NULL when nothing is left.
  `12.345.678/0001-95` and `12345678000195` are one company, `12.abc.345/01de-35` is `12ABC34501DE35`.
-#}
{%- macro normalized_tax_id(column) -%}
nullif(upper(regexp_replace({{ column }}, r'[^0-9A-Za-z]', '')), '')
{%- endmacro -%}

{#-
  True for a CNPJ: twelve letters or digits and two check digits, modulo 11 over the code of each character
  minus 48 (IN RFB 2.229/2024). The argument is normalized.
-#}
{%- macro is_cnpj(number) -%}
(
        regexp_contains({{ number }}, r'^[0-9A-Z]{12}[0-9]{2}$')
        and {{ number }} != '00000000000000'
        and {{ character_value(number, 13) }} = {{ check_digit(number, 12) }}
        and {{ character_value(number, 14) }} = {{ check_digit(number, 13) }}
    )
{%- endmacro -%}

{#- Eleven minus the weighted sum modulo 11, where ten and eleven count as zero. -#}
{%- macro check_digit(number, length) -%}
{%- set weights = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2][13 - length:] -%}
mod(mod(11 - mod(
            {%- for weight in weights %}
            {{ weight }} * {{ character_value(number, loop.index) }}{{ ' +' if not loop.last }}
            {%- endfor %}, 11), 11), 10)
{%- endmacro -%}

{%- macro character_value(number, place) -%}
(ascii(substr({{ number }}, {{ place }}, 1)) - 48)
{%- endmacro -%}
