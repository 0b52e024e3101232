{{ of_insight('launch_audiences') }}

-- users who object to being profiled are not in the mart of users, and no insight is of bots and test users
select
    audiences.item_id,
    audiences.user_id,
    audiences.ranked_at as feature_at,
    audiences.place as launch_place
from {{ ref('int_insights__launch_audiences') }} as audiences
inner join {{ ref('users') }} as users on audiences.user_id = users.user_id
anti join {{ ref('excluded_users') }} as excluded on audiences.user_id = excluded.user_id
inner join {{ ref('items') }} as items on audiences.item_id = items.item_id
order by audiences.item_id, audiences.user_id, audiences.ranked_at
