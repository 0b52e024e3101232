select
    item_id,
    title,
    description,
    category_1,
    category_2,
    category_3,
    brand,
    cast(price as double) as price,
    first_seen_at
from {{ ref('int_items') }}
order by item_id
