{{ config(enabled=given('competitors') or false) }}

with

known_items as (
    select item_id from {{ ref('int_competitor_items') }}
)

select reviews.*
from {{ ref('stg_files__competitor_reviews') }} as reviews
inner join known_items on reviews.item_id = known_items.item_id
where reviews.reviewed_at < {{ as_of() }}
