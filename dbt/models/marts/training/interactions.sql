{#-
    The order of types and the session are defined in penchant/interactions.py, which the API server uses for
    events that no snapshot has yet.
-#}

with

positive as (
    select events.* replace ({{ var('interaction_session') }} as session_id)
    from {{ ref('int_events') }} as events
    inner join {{ ref('int_items') }} as items on events.item_id = items.item_id
    -- fuel, coupons, gift cards and fees can't be recommended
    where items.is_merchandise and list_contains({{ var('interaction_event_types') }}, events.event_type)
)

select
    user_id,
    item_id,
    session_id,
    event_type,
    min(event_at) as event_at,
    cast(sum(coalesce(quantity, 1)) as bigint) as quantity,
    -- diminishing weight of further pieces: 1 for one, 2 for three, 3 for seven
    log2(1 + greatest(sum(coalesce(quantity, 1)), 1)) as weight
from positive
group by user_id, item_id, session_id, event_type
order by user_id, item_id, session_id, event_type
