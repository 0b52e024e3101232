{{ config(enabled=given('competitors') or false) }}

select
    competitor,
    review_id,
    item_id,
    reviewed_at,
    rating,
    text
from {{ ref('int_competitor_reviews') }}
order by review_id
