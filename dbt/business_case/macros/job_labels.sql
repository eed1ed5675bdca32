{#-
  The comment of each query, which dbt also makes the labels of its job: what the run says of itself
  (lib/credix/clients/bigquery/job_labels.py), and the node. dbt by hand says the node alone.
-#}
{%- macro job_labels(node) -%}
    {%- set labels = fromjson(env_var('CREDIX_DBT_LABELS', '{}')) -%}
    {%- do labels.update({'dbt_node': node.unique_id if node else 'dbt'}) -%}
    {{- return(tojson(labels)) -}}
{%- endmacro -%}
