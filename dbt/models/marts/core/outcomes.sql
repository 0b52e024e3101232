select
    event_id,
    impression_id,
    user_id,
    event_type,
    cast(value as double) as value,
    event_at,
    received_at,
    shown_at,
    copies,
    status
from {{ ref('int_outcomes') }}
order by event_id
