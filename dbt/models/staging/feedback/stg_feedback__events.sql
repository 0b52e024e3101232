with

source as (
    {{ landed('feedback', 'events', superseded_by_name=false) }}
    union all by name
    {{ landed('feedback', 'history', superseded_by_name=false) }}
),

deleted as (
    select * from {{ ref('stg_feedback__deletions') }}
)

select
    -- clients and users choose ids independently; the log's id names the client
    md5(concat_ws(chr(31), user_id, event_id)) as event_id,
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
    count(*) over (partition by user_id, source.event_id) as copies
from source
anti join deleted on source.user_id = deleted.user_id and source.event_id = deleted.event_id
where {{ within_bounds('events') }}
qualify row_number() over (partition by user_id, source.event_id order by received_at, batch_number) = 1
