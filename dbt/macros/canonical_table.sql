{#
    A canonical table as canonical_tables.yml describes it; `penchant build` passes the file as a variable.
    sqlfluff knows no variables: .sqlfluff has a stub of this macro. Before the first build models are parsed
    with a table without columns, and never run.
#}
{% macro canonical_table(table) %}
    {%- set tables = given("canonical_tables") -%}
    {%- if tables is none -%}
        {{ return({"key": [], "columns": {}}) }}
    {%- endif -%}
    {%- if table not in tables -%}
        {{ exceptions.raise_compiler_error(
            table ~ " is not in canonical_tables.yml as it was at the last build: `penchant dbt parse` reads it anew"
        ) }}
    {%- endif -%}
    {{ return(tables[table]) }}
{% endmacro %}
