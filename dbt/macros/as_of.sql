{#- Midnight after the last event of the landing, as a timestamp: the end of all that is known. -#}
{% macro as_of() -%}
    cast('{{ var("as_of") }}' as timestamp)
{%- endmacro %}
