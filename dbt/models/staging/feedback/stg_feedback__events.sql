with

source as (
    {{ landed('feedback', 'events', superseded_by_name=false) }}
)

select
    event_id,
    user_id,
    session_id,
    item_id,
    event_type,
    quantity,
    cast(value as decimal(18, 4)) as value,
    query,
    event_at,
    ingested_at,
    impression_id,
    received_at,
    count(*) over (partition by event_id) as copies
from source
qualify row_number() over (partition by event_id order by received_at, batch_number) = 1
