{#- Staging of a table of insights: all of its columns, one row per key. -#}
{% macro insight_staging(source_name, table, key) -%}
    with

    source as (
        {{ landed(source_name, table, superseded_by_name=false) }}
    )

    select * exclude (batch_number, ingested_at)
    from source
    {{ latest_of(key) }}
    {{- of_insight(table) }}
{%- endmacro %}
