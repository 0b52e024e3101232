with

source as (
    {{ landed('feedback', 'items', superseded_by_name=false) }}
)

select
    item_id,
    title,
    description,
    category_1,
    category_2,
    category_3,
    brand,
    cast(price as decimal(18, 4)) as price,
    first_seen_at,
    received_at
from source
where {{ within_bounds('items') }}
qualify row_number() over (partition by item_id order by received_at desc, batch_number desc) = 1
