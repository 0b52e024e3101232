{{ config(kept=kept("feature_times"), parts=part_end("feature_at")) }}

with

purchases as (
    select all_purchases.*
    from {{ ref('int_purchases') }} as all_purchases
    -- nothing is learned from bots and test users
    anti join {{ ref('int_excluded_users') }} as excluded on all_purchases.user_id = excluded.user_id
),

statistics as (
    select
        purchases.item_id,
        times.feature_at,
        {{ windowed('count(*)', 7) }} as purchases_7d,
        {{ windowed('count(*)', 28) }} as purchases_28d,
        {{ windowed('count(*)', 91) }} as purchases_91d,
        {{ windowed_distinct('previous_of_item_at', 28) }} as buyers_28d,
        {{ windowed_distinct('previous_of_item_at', 91) }} as buyers_91d,
        {{ windowed_distinct('previous_of_item_at', 364) }} as buyers_364d,
        -- a buyer's second purchase in the window is the one with exactly one before it
        count(*) filter (
            where {{ within(364, 'previous_of_item_at') }}
            and not coalesce({{ within(364, 'second_previous_of_item_at') }}, false)
        ) as repeat_buyers_364d,
        {{ decayed('1', var('popularity_half_life_days')) }} as decayed_popularity,
        sum(value) filter (where {{ within(91) }}) as value_91d,
        sum(quantity) filter (where {{ within(91) }}) as quantity_91d
    from purchases
    inner join {{ ref('int_times_to_build') }} as times on purchases.event_at < times.feature_at
    group by purchases.item_id, times.feature_at
),

promoted as (
    select
        promotions.item_id,
        times.feature_at,
        sum(promotions.store_weeks) as store_weeks_28d
    from {{ ref('int_promotions') }} as promotions
    inner join {{ ref('int_times_to_build') }} as times
        on
            promotions.starts_at < times.feature_at
            and {{ within(28, 'promotions.starts_at') }}
    group by promotions.item_id, times.feature_at
)

select
    statistics.item_id,
    statistics.feature_at,
    statistics.purchases_7d,
    statistics.purchases_28d,
    statistics.purchases_91d,
    statistics.buyers_28d,
    statistics.buyers_91d,
    cast(statistics.decayed_popularity as double) as decayed_popularity,
    statistics.repeat_buyers_364d / nullif(statistics.buyers_364d, 0) as repeat_buyer_share,
    statistics.value_91d / nullif(statistics.quantity_91d, 0) as mean_price_91d,
    cast(coalesce(promoted.store_weeks_28d, 0) as bigint) as promoted_store_weeks_28d
from statistics
left join promoted
    on statistics.item_id = promoted.item_id and statistics.feature_at = promoted.feature_at
order by statistics.item_id, statistics.feature_at
