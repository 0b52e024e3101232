{#- The midnight after the last landed event, as a timestamp: the exclusive end of the data. `penchant build` passes it
    in the environment: dbt parses the whole project again when a variable changes. -#}
{% macro as_of() -%}
    {%- set landed = penchant_landing.as_of() if penchant_landing is defined else "2018-01-02" -%}
    cast('{{ var("as_of", env_var("DBT_AS_OF", landed)) }}' as timestamp)
{%- endmacro %}
