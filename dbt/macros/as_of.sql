{#- The midnight after the last landed event, as a timestamp: the exclusive end of the data. `penchant build` passes it
    in the environment: dbt parses the whole project again when a variable changes. -#}
{% macro as_of() -%}
    cast('{{ var("as_of", env_var("DBT_AS_OF", "2018-01-02")) }}' as timestamp)
{%- endmacro %}
