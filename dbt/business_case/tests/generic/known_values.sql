{#-
  Fails if one of several columns holds a value outside its closed list; NULL passes. One statement
  for all of them, for the reason given at never_null.
-#}
{% test known_values(model, lists) %}
select {{ lists | join(', ') }}
from {{ model }}
where
    {%- for column, values in lists.items() %}
    {{ column }} not in ('{{ values | join("', '") }}'){{ ' or' if not loop.last }}
    {%- endfor %}
{% endtest %}
