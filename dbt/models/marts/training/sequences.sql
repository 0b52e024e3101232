select
    user_id,
    list(item_id order by event_at, session_id, item_id) as item_ids,
    list(event_at order by event_at, session_id, item_id) as event_ats,
    list(weight order by event_at, session_id, item_id) as weights
from {{ ref('interactions') }}
group by user_id
order by user_id
