{#- All rows of a canonical table, from every source that has landed; no rows where no source has it.
    Without those of users who object to being profiled: `penchant build` passes their ids. Linked ids are replaced
    by their subject; `with_origin` adds the replaced one as `origin`. `sources`: those that landed the table, where
    its staging models are off without. -#}
{% macro union_of_sources(table, with_origin=none, sources=none) -%}
    {%- set ids = linked(canonical_table(table)["columns"]) -%}
    {%- set objecting = (given("objecting_users") or []) if "user_id" in canonical_table(table)["columns"] else [] -%}
    {%- if objecting %}select * from ({% endif %}
    {%- if with_origin or ids %}
    select
        every_row.*{% if ids %} replace (
            {%- for id in ids %}
            coalesce({{ id }}_links.subject, every_row.{{ id }}) as {{ id }}{{ "," if not loop.last }}
            {%- endfor %}
        ){% endif %}{% if with_origin %},
        every_row.{{ with_origin }} as origin{% endif %}
    from (
    {%- endif %}
    select
    {%- for name, column in canonical_table(table)["columns"].items() %}
        cast(null as {{ column["type"] }}) as {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
    where false
    {%- for source in (given("sources") or [] if sources is none else sources) if source in var("canonical_models")[table] %}
    union all by name
    select * from {{ ref(var("canonical_models")[table][source]) }}
    {%- endfor %}
    {%- if with_origin or ids %}
    ) as every_row
    {%- for id in ids %}
    left join {{ ref("int_" ~ id | replace("_id", "_identities")) }} as {{ id }}_links
        on every_row.{{ id }} = {{ id }}_links.{{ id }}
    {%- endfor %}
    {%- endif %}
    {%- if objecting %}
    )
    where user_id is null or user_id not in (
        {%- for user_id in objecting %}'{{ user_id | replace("'", "''") }}'{{ ", " if not loop.last }}{% endfor -%}
    )
    {%- endif %}
{%- endmacro %}

{#- Whether a landed row is within the bounds of its canonical table; build.py keeps the others in quarantine. -#}
{% macro within_bounds(table) -%}
    true
    {%- for name, column in canonical_table(table)["columns"].items() if column.get("added_by") != "models"
            or (source_name == "files" and column.get("own_files")) %}
    {%- if column.get("min") is not none %} and coalesce({{ name }} >= {{ column["min"] }}, true){% endif %}
    {%- if column.get("max") is not none %} and coalesce({{ name }} <= {{ column["max"] }}, true){% endif %}
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
        {%- for name, column in columns.items() if column.get("added_by") != "models"
            or (source_name == "files" and column.get("own_files")) %}
            cast({{ name }} as {{ column["type"] }}) as {{ name }}{{ "," if not loop.last }}
        {%- endfor %}
        from source
        where {{ within_bounds(table) }}
        {{ latest_of(canonical_table(table)["key"]) }}
    )

    select * from typed
{%- endmacro %}
