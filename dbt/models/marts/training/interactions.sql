{#- The strongest kind of event that the shop records says what a user wants; the others are left out. -#}
{%- set strongest_first = ['purchase', 'cart', 'view', 'rating'] -%}

with

candidates as (
    select
        events.*,
        list_position({{ strongest_first }}, events.event_type) as strength
    from {{ ref('int_events') }} as events
    inner join {{ ref('int_items') }} as items on events.item_id = items.item_id
    -- fuel, coupons, gift cards and fees are no interest that a recommendation could serve
    where items.is_merchandise
),

positive as (
    select * from candidates
    qualify strength = min(strength) over ()
)

select
    user_id,
    item_id,
    session_id,
    any_value(event_type) as event_type,
    min(event_at) as event_at,
    cast(sum(coalesce(quantity, 1)) as bigint) as quantity,
    -- the tenth bottle says less than the first: 1 for one, 2 for three, 3 for seven
    log2(1 + greatest(sum(coalesce(quantity, 1)), 1)) as weight
from positive
group by user_id, item_id, session_id
order by user_id, item_id, session_id
