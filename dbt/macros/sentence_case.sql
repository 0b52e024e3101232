{#- SHOUTED TEXT as Shouted text. -#}
{% macro sentence_case(text) -%}
    upper(left(trim({{ text }}), 1)) || lower(substr(trim({{ text }}), 2))
{%- endmacro %}
