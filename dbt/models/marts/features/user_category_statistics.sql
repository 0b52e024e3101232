{{ config(kept=kept("feature_times"), parts=part_end("feature_at")) }}

with

statistics as (
    select
        purchases.user_id,
        purchases.category_1 as category,
        times.feature_at,
        {{ windowed_distinct('previous_of_category_at', 28) }} as orders_28d,
        {{ windowed_distinct('previous_of_category_at', 91) }} as orders_91d,
        {{ windowed_distinct('previous_of_category_at', 364) }} as orders_364d,
        {{ windowed('sum(value)', 364) }} as spend_364d,
        {{ decayed('1', var('affinity_half_life_days')) }} as weight,
        max(event_at) as last_order_at
    from {{ ref('int_purchases') }} as purchases
    inner join {{ ref('int_times_to_build') }} as times on purchases.event_at < times.feature_at
    where purchases.category_1 is not null
    group by purchases.user_id, purchases.category_1, times.feature_at
)

select
    user_id,
    category,
    feature_at,
    orders_28d as category_orders_28d,
    orders_91d as category_orders_91d,
    orders_364d as category_orders_364d,
    cast(spend_364d as double) as category_spend_364d,
    coalesce(
        weight / nullif(sum(weight) over (partition by user_id, feature_at), 0), 0
    ) as category_affinity,
    date_diff('day', last_order_at, feature_at) as category_days_since_last_order
from statistics
order by user_id, category, feature_at
