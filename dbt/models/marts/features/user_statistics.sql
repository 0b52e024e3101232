{{ config(kept=kept("feature_times")) }}

{%- set windows = [7, 28, 91, 364] -%}

with

statistics as (
    select
        purchases.user_id,
        times.feature_at,
        {% for days in windows -%}
        {{ windowed_distinct('previous_of_order_at', days) }} as orders_{{ days }}d,
        {{ windowed('sum(quantity)', days) }} as items_{{ days }}d,
        {{ windowed('sum(value)', days) }} as spend_{{ days }}d,
        {{ windowed_distinct('previous_of_item_at', days) }} as distinct_items_{{ days }}d,
        {% endfor -%}
        min(event_at) as first_order_at,
        max(event_at) as last_order_at
    from {{ ref('int_purchases') }} as purchases
    inner join {{ ref('int_times_to_build') }} as times on purchases.event_at < times.feature_at
    group by purchases.user_id, times.feature_at
)

select
    users.user_id,
    users.feature_at,
    {% for days in windows -%}
    coalesce(statistics.orders_{{ days }}d, 0) as orders_{{ days }}d,
    {% endfor -%}
    {% for days in windows -%}
    cast(coalesce(statistics.items_{{ days }}d, 0) as bigint) as items_{{ days }}d,
    {% endfor -%}
    {% for days in windows -%}
    cast(coalesce(statistics.spend_{{ days }}d, 0) as double) as spend_{{ days }}d,
    {% endfor -%}
    {% for days in windows -%}
    coalesce(statistics.distinct_items_{{ days }}d, 0) as distinct_items_{{ days }}d,
    {% endfor -%}
    date_diff('day', statistics.first_order_at, users.feature_at) as days_since_first_order,
    date_diff('day', statistics.last_order_at, users.feature_at) as days_since_last_order
from {{ ref('int_user_times') }} as users
left join statistics
    on users.user_id = statistics.user_id and users.feature_at = statistics.feature_at
order by users.user_id, users.feature_at
