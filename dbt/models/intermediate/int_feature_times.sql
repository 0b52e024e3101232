with

steps as (
    select unnest(
        range(0, {{ var('feature_history_days') }} + 1, {{ var('feature_interval_days') }})
    ) as days_before
)

select {{ as_of() }} - to_days(cast(days_before as integer)) as feature_at
from steps
-- no feature rows before the first event
where feature_at > (select min(event_at) from {{ ref('int_events') }})
