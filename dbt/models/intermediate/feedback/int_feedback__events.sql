{{ of_source('feedback') }}

select
    event_id,
    user_id,
    session_id,
    item_id,
    event_type,
    quantity,
    value,
    query,
    event_at,
    ingested_at
from {{ ref('stg_feedback__events') }}
