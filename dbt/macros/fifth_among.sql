{#-
    1 to 5: the fifth of its group that a row is in by `order`, 5 for the last ones. Equal rows get the
    same fifth: that of the first of them.
-#}
{% macro fifth_among(group, order) -%}
    1 + (5 * (rank() over (partition by {{ group }} order by {{ order }}) - 1))
    // count(*) over (partition by {{ group }})
{%- endmacro %}
