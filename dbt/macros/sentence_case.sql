{#- UPPER CASE TEXT to Upper case text. -#}
{% macro sentence_case(text) -%}
    upper(left(trim({{ text }}), 1)) || lower(substr(trim({{ text }}), 2))
{%- endmacro %}
