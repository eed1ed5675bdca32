{#-
  A view that a build of everything creates and a build of changes leaves alone: it reads gold's tables whenever it is
  asked, so that their changes are in it, and costs a delta run nothing.
-#}
{% materialization derived, adapter='bigquery' %}
    {%- if not builds_changes() -%}
        {{- return(context['materialization_view_bigquery']()) -}}
    {%- endif -%}
    {%- call noop_statement('main', 'UNCHANGED', 'UNCHANGED', 0) -%}{%- endcall -%}
    {{- return({'relations': [this.incorporate(type='view')]}) -}}
{% endmaterialization %}
