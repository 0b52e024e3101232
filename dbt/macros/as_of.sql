{#
    The midnight after the last landed event, as a timestamp: the exclusive end of the data.

    It is a macro of the database, not text in the SQL, because dbt parses a model again when a variable or an
    environment variable that it reads has changed, and this changes with every day. Unit tests set the variable.
#}
{% macro as_of() -%}
    {%- if var("as_of", none) -%}
        cast('{{ var("as_of") }}' as timestamp)
    {%- else -%}
        end_of_data()
    {%- endif -%}
{%- endmacro %}

{#- Before a run of `penchant build`, which passes the time. By hand, dbt has the one of the last build. -#}
{% macro set_end_of_data() -%}
    {%- if execute and env_var("DBT_AS_OF", "") -%}
        create or replace macro end_of_data() as cast('{{ env_var("DBT_AS_OF") }}' as timestamp)
    {%- endif -%}
{%- endmacro %}
