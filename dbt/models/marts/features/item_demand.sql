{{ config(kept=kept("days"), parts=part_end("feature_at")) }}

-- noqa: disable=LT02
with

purchases as (
    select all_purchases.*, {{ week_end('all_purchases.event_at') }} as feature_at
    from {{ ref('int_purchases') }} as all_purchases
    -- nothing is learned from bots and test users
    anti join {{ ref('int_excluded_users') }} as excluded on all_purchases.user_id = excluded.user_id
    -- a week has a row when it has ended
    where
        feature_at <= {{ as_of() }}
        {%- if keeps_rows() %}
        and all_purchases.item_id in (
            select changed.item_id from {{ ref('int_purchases') }} as changed
            where
                {{ week_end('changed.event_at') }} > {{ first_change() }}
                and {{ week_end('changed.event_at') }} <= {{ as_of() }}
        )
        {%- endif %}
),

weeks as (
    select
        item_id,
        feature_at,
        count(*) as purchases,
        count(*) filter (where previous_of_item_at is null) as new_buyers,
        count(*) filter (
            where previous_of_item_at is not null and second_previous_of_item_at is null
        ) as returned_buyers,
        sum(quantity) as pieces,
        sum(value) as value,
        sum(coalesce(discount, 0)) as discount,
        max(event_at) as last_purchased_at
    from purchases
    group by item_id, feature_at
),

promoted as (
    select
        item_id,
        {{ week_end('starts_at') }} as feature_at,
        sum(store_weeks) as store_weeks
    from {{ ref('int_promotions') }}
    where starts_at < {{ as_of() }}
    group by all
)

select
    weeks.item_id,
    weeks.feature_at,
    weeks.purchases as demand_purchases_7d,
    cast(sum(weeks.purchases) over four_weeks as bigint) as demand_purchases_28d,
    cast(sum(weeks.purchases) over quarter as bigint) as demand_purchases_91d,
    weeks.new_buyers as demand_new_buyers_7d,
    cast(sum(weeks.new_buyers) over four_weeks as bigint) as demand_new_buyers_28d,
    sum(weeks.returned_buyers) over ever / nullif(sum(weeks.new_buyers) over ever, 0) as demand_repeat_share,
    cast(weeks.value / nullif(weeks.pieces, 0) as double) as demand_price_7d,
    cast(
        sum(weeks.value) over quarter / nullif(sum(weeks.pieces) over quarter, 0) as double
    ) as demand_price_91d,
    cast(weeks.discount / nullif(weeks.value + weeks.discount, 0) as double) as demand_discount_share_7d,
    cast(coalesce(promoted.store_weeks, 0) as bigint) as demand_promoted_store_weeks_7d,
    weeks.last_purchased_at as demand_last_purchased_at
from weeks
left join promoted on weeks.item_id = promoted.item_id and weeks.feature_at = promoted.feature_at
window
    four_weeks as (
        partition by weeks.item_id order by weeks.feature_at
        range between interval 21 days preceding and current row
    ),
    quarter as (
        partition by weeks.item_id order by weeks.feature_at
        range between interval 84 days preceding and current row
    ),
    ever as (
        partition by weeks.item_id order by weeks.feature_at
        rows between unbounded preceding and current row
    )
{%- if keeps_rows() %}
qualify weeks.feature_at > {{ first_change() }}
{%- endif %}
order by weeks.item_id, weeks.feature_at
