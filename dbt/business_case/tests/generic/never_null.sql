{#-
  Fails if one of several columns holds a NULL. One statement for all of them: BigQuery bills at
  least 10 MB per table and statement, and bronze is tested after every merge.
-#}
{% test never_null(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
where {{ columns | join(' is null or ') }} is null
{% endtest %}
