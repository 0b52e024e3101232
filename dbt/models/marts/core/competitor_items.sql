{{ config(enabled=given('competitors') or false) }}

select
    competitor,
    item_id,
    title,
    description,
    category_1,
    category_2,
    brand,
    cast(price as double) as price
from {{ ref('int_competitor_items') }}
order by item_id
