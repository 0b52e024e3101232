{#- The midnight after the last landed event, as a timestamp: the exclusive end of the data. -#}
{% macro as_of() -%}
    cast('{{ var("as_of") }}' as timestamp)
{%- endmacro %}
