{#
    Which ids of several sources are the same person or product. `penchant build` passes the columns that landed tables
    of identities link, `linked`: none in a home of one source.
#}

{#- The canonical ids: `subject` of each linked id. An id of a named source has its name before it. A chain of links is
    followed to its end, and of a circle the first id is the subject. -#}
{% macro identities_of(id) -%}
    with recursive links as (
        select
            {{ id }} as id,
            subject
        from {{ ref("stg_files__" ~ id | replace("_id", "_identities")) }}
        where {{ id }} <> subject
        qualify row_number() over (partition by {{ id }} order by source asc nulls last, subject asc) = 1
    ),

    reached as (
        select
            id,
            subject
        from links
        union distinct
        select
            reached.id,
            links.subject
        from reached
        inner join links on reached.subject = links.id
    ),

    ends as (
        select
            reached.id,
            coalesce(min(reached.subject) filter (where links.id is null), min(reached.subject)) as subject
        from reached
        left join links on reached.subject = links.id
        group by reached.id
    )

    select
        id as {{ id }},
        subject
    from ends
    where id <> subject
{%- endmacro %}

{#- `columns` that landed tables link. -#}
{% macro linked(columns) -%}
    {%- set found = [] -%}
    {%- for id in ["user_id", "item_id"] if id in columns and id in (given("linked") or []) -%}
        {%- do found.append(id) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
