with

source as (
    {{ landed('feedback', 'deletions', superseded_by_name=false) }}
)

select
    user_id,
    event_id,
    min(deleted_at) as deleted_at
from source
group by user_id, event_id
