{{ config(materialized="sliced", kept=kept("events")) }}

with

purchases as (
    select * from {{ ref('int_events') }}
    where
        event_type = 'purchase'
        {%- if keeps_rows() %}
        and user_id in (
            select changed.user_id from {{ ref('int_events') }} as changed
            where changed.event_at >= {{ first_change() }}
        )
        {%- endif %}
),

items as (
    select * from {{ ref('int_items') }}
)

select
    purchases.user_id,
    purchases.item_id,
    purchases.event_at,
    purchases.quantity,
    purchases.value,
    purchases.discount,
    purchases.coupon_discount,
    items.category_1,
    items.category_3,
    coalesce(items.category_3, items.category_2, items.category_1) as leaf_category,
    items.brand,
    items.is_private_label,
    lag(purchases.event_at) over same_item as previous_of_item_at,
    lag(purchases.event_at, 2) over same_item as second_previous_of_item_at,
    lag(purchases.event_at) over same_order as previous_of_order_at,
    lag(purchases.event_at) over same_order_and_category as previous_of_category_at
from purchases
inner join items on purchases.item_id = items.item_id
-- the order of simultaneous events doesn't change any count
window
    same_item as (
        partition by purchases.user_id, purchases.item_id
        order by purchases.event_at
    ),
    same_order as (
        partition by purchases.user_id, purchases.session_id
        order by purchases.event_at
    ),
    same_order_and_category as (
        partition by purchases.user_id, purchases.session_id, items.category_1
        order by purchases.event_at
    )
{%- if keeps_rows() %}
qualify purchases.event_at >= {{ first_change() }}
{%- endif %}
