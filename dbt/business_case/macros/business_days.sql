{#-
  Days on which banks work. A day is moved in two steps: by `after_weekend`, then, where that day is in the seed
  bank_holidays, to the seed's next_business_day, which is past weekends and other holidays. So a join on the
  seed is enough. A due date on such a day is paid in time on the next business day (Lei 7.089/1983).
-#}

{#- The day itself, or the Monday after a Saturday or Sunday. -#}
{%- macro after_weekend(day) -%}
case extract(dayofweek from {{ day }})
            when 7 then date_add({{ day }}, interval 2 day)
            when 1 then date_add({{ day }}, interval 1 day)
            else {{ day }}
        end
{%- endmacro -%}

{#- The day after, except after the last day that a DATE can be. -#}
{%- macro day_after(day) -%}
if({{ day }} < date '9999-12-31', date_add({{ day }}, interval 1 day), {{ day }})
{%- endmacro -%}
