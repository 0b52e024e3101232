{{ config(enabled=(given('linked') or []) | length > 0) }}

with

every_link as (
    select
        cast(null as varchar) as kind,
        cast(null as varchar) as id,
        cast(null as varchar) as subject
    where false
    {%- for id in linked(["user_id", "item_id"]) %}
    union all
    select
        '{{ id | replace("_id", "") }}' as kind,
        {{ id }} as id,
        subject
    from {{ ref("int_" ~ id | replace("_id", "_identities")) }}
    {%- endfor %}
)

select
    kind,
    id,
    subject
from every_link
order by kind, id
