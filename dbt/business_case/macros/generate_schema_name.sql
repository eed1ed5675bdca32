{#- Datasets are <prefix>_<layer>, whatever the target: business_case_bronze, business_case_silver, … -#}
{%- macro generate_schema_name(custom_schema_name, node) -%}
    {%- set prefix = env_var('CREDIX_PREFIX', 'business_case') -%}
    {{- prefix if custom_schema_name is none else prefix ~ '_' ~ custom_schema_name | trim -}}
{%- endmacro -%}
