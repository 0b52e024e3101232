with

every_vector as (
    select
        cast(null as varchar) as item_id,
        cast(null as varchar) as kind,
        cast(null as float[]) as vector
    where false
    {%- for source in (given("embedding_sources") or []) %}
    union all by name
    select * from {{ ref("stg_" ~ source ~ "__item_embeddings") }}
    {%- endfor %}
),

known_items as (
    select item_id from {{ ref('int_items') }}
)

select every_vector.*
from every_vector
inner join known_items on every_vector.item_id = known_items.item_id
