select
    user_id,
    item_id,
    reviewed_at,
    rating,
    text
from {{ ref('int_reviews') }}
order by user_id, item_id, reviewed_at
