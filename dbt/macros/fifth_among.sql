{#-
    The quintile of a row in its group by `order`, from 1 to 5 (last). Ties get the quintile of the first.
-#}
{% macro fifth_among(group, order) -%}
    1 + (5 * (rank() over (partition by {{ group }} order by {{ order }}) - 1))
    // count(*) over (partition by {{ group }})
{%- endmacro %}
