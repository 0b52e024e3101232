select
    item_id,
    first_seen_at as feature_at,
    title,
    category_1,
    category_2,
    category_3,
    brand,
    cast(price as double) as price
from {{ ref('int_items') }}
order by item_id
