{{ of_source('open_bandit') }}

-- a click opens the item's page; no other events are known
select
    impression_id as event_id,
    user_group as user_id,
    impression_id as session_id,
    item_id,
    'view' as event_type,
    shown_at as event_at,
    ingested_at
from {{ ref('stg_open_bandit__impressions') }}
where clicked
