{{ of_insight('competitor_gaps') }}

select
    competitor,
    item_id as their_item_id,
    compared_at as feature_at,
    title,
    brand,
    price,
    category,
    interest,
    score
from {{ ref('int_insights__competitor_gaps') }}
order by competitor, their_item_id, compared_at
