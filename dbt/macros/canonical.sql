{#- All rows of a canonical table, from every source that has landed; no rows where no source has it. -#}
{% macro union_of_sources(table) -%}
    select
    {%- for name, column in canonical_table(table)["columns"].items() %}
        cast(null as {{ column["type"] }}) as {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
    where false
    {%- for source in var("sources") if source in var("canonical_models")[table] %}
    union all by name
    select * from {{ ref(var("canonical_models")[table][source]) }}
    {%- endfor %}
{%- endmacro %}

{#- Staging of a source that lands a canonical table: columns cast to their dbt types, one row per key. -#}
{% macro canonical_staging(source_name, table, superseded_by_name=true) -%}
    {%- set columns = canonical_table(table)["columns"] -%}
    with

    source as (
        {{ landed(source_name, table, superseded_by_name) }}
    ),

    typed as (
        select
        {%- for name, column in columns.items() if column.get("added_by") != "models" %}
            cast({{ name }} as {{ column["type"] }}) as {{ name }}{{ "," if not loop.last }}
        {%- endfor %}
        from source
        {{ latest_of(canonical_table(table)["key"]) }}
    )

    select * from typed
{%- endmacro %}
