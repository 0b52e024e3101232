{#
    Which ids of several sources are the same person or product. `penchant build` passes the columns that landed tables
    of identities link, `linked`: none in a home of one source.
#}

{#- The canonical ids: `subject` of each linked id. An id of a named source has its name before it. -#}
{% macro identities_of(id) -%}
    select
        {{ id }},
        subject
    from {{ ref("stg_files__" ~ id | replace("_id", "_identities")) }}
    where {{ id }} <> subject
    qualify row_number() over (partition by {{ id }} order by source nulls last, subject) = 1
{%- endmacro %}

{#- `columns` that landed tables link. -#}
{% macro linked(columns) -%}
    {%- set found = [] -%}
    {%- for id in ["user_id", "item_id"] if id in columns and id in (given("linked") or []) -%}
        {%- do found.append(id) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
