{{ of_source('complete_journey') }}

select
    product_id as item_id,
    -- the publisher's weeks start on Mondays; its week 1 is the Sunday 2017-01-01
    timestamp '2016-12-26' + to_weeks(cast(week - 1 as integer)) as starts_at,
    stores as store_weeks
from {{ ref('stg_complete_journey__promotions') }}
