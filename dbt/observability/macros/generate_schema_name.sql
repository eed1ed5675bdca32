{#- Datasets are named as in dbt/business_case: <prefix>_<layer>. -#}
{%- macro generate_schema_name(custom_schema_name, node) -%}
    {{- business_case.generate_schema_name(custom_schema_name, node) -}}
{%- endmacro -%}
