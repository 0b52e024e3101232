with

-- nobody looks at so much in an hour; purchases don't count, since an order may have any number of lines
busy as (
    select user_id
    from {{ ref('int_events') }}
    where event_type in ('view', 'search', 'cart')
    group by user_id, date_trunc('hour', event_at)
    having count(*) > {{ var('bot_events_per_hour') }}
),

marked as (
    select
        user_id,
        'bot' as reason
    from busy
    union all
    select
        user_id,
        'test' as reason
    from {{ ref('int_users') }}
    where is_test
)

select
    user_id,
    max(reason) as reason
from marked
group by user_id
