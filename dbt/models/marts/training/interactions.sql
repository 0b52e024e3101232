{#-
    The order of types and the session are defined in penchant/interactions.py, which the API server uses for
    events that no snapshot has yet.
-#}
{{ config(kept=kept("sessions"), parts=part_end("event_at")) }}

with

purchases as (
    select
        user_id,
        item_id,
        abs(coalesce(quantity, 1)) as pieces,
        event_at,
        arg_max(event_id, [{{ given('interaction_session') }}, event_id]) as event_id
    from {{ ref('int_events') }}
    where
        event_type = 'purchase'
        {%- if keeps_rows() %}
        and user_id in (select user_id from {{ ref('int_changed_sessions') }})
        {%- endif %}
    group by user_id, item_id, pieces, event_at
),

returns as (
    select
        user_id,
        item_id,
        abs(coalesce(quantity, 1)) as pieces,
        event_at
    from {{ ref('int_events') }}
    where event_type = 'return'
),

-- a return soon after the purchase: nobody was interested in 80,995 pieces for twelve minutes
cancelled as (
    select purchases.event_id
    from returns
    asof inner join purchases
        on
            returns.user_id = purchases.user_id
            and returns.item_id = purchases.item_id
            and returns.pieces = purchases.pieces
            and returns.event_at >= purchases.event_at
    where
        returns.event_at
        <= purchases.event_at + interval '{{ given("interaction_cancelled_within_hours") }} hours'
),

positive as (
    select events.* replace ({{ given('interaction_session') }} as session_id)
    from {{ ref('int_events') }} as events
    inner join {{ ref('int_items') }} as items on events.item_id = items.item_id
    anti join {{ ref('int_excluded_users') }} as excluded on events.user_id = excluded.user_id
    -- fuel, coupons, gift cards and fees can't be recommended
    where
        items.is_merchandise
        {%- if keeps_rows() %}
        and (events.user_id, {{ given('interaction_session') }}) in (
            select (changed.user_id, changed.session_id) from {{ ref('int_changed_sessions') }} as changed
        )
        {%- endif %}
        and list_contains({{ given('interaction_event_types') }}, events.event_type)
        and (
            events.event_type != 'purchase'
            or events.event_id not in (select cancelled.event_id from cancelled)
        )
)

select
    user_id,
    item_id,
    session_id,
    event_type,
    min(event_at) as event_at,
    cast(sum(coalesce(quantity, 1)) as bigint) as quantity,
    -- diminishing weight of further pieces: 1 for one, 2 for three, 3 for seven, no more than 7
    log2(1 + least(greatest(sum(coalesce(quantity, 1)), 1), {{ given('interaction_most_pieces') }})) as weight
from positive
group by user_id, item_id, session_id, event_type
order by user_id, item_id, session_id, event_type
