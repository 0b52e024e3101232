{#-
    Cumulative statistics of a user and an item. A pair gets a row at the midnight after each day on which it had
    an event, so there are as many rows as such days, not pairs times feature times. What depends on the moment,
    such as days since the last purchase, is computed from these columns by penchant/ranking/features.py.
-#}
{{ config(kept=kept("days"), parts=part_end("feature_at")) }}
{%- set half_lives = [7, 30, 90, 240] -%}

with

days as (
    select
        user_id,
        item_id,
        cast(event_at as date) as event_day,
        count(*) filter (where event_type = 'view') as views,
        count(*) filter (where event_type = 'cart') as carts,
        sum(quantity) filter (where event_type = 'purchase') as pieces,
        sum(value) filter (where event_type = 'purchase') as spend,
        sum(coalesce(discount, 0)) filter (where event_type = 'purchase') as discount,
        max(event_at) filter (where event_type = 'purchase') as purchased_at,
        max(event_at) as last_event_at
    from {{ ref('int_events') }}
    where
        item_id is not null
        {%- if keeps_rows() %}
        and (user_id, item_id) in (
            select (changed.user_id, changed.item_id) from {{ ref('int_events') }} as changed
            where changed.event_at >= {{ first_change() }}
        )
        {%- endif %}
    group by user_id, item_id, cast(event_at as date)
),

cumulative as (
    select
        user_id,
        item_id,
        event_day,
        last_event_at,
        list(event_day) filter (where purchased_at is not null) over pair as purchase_days,
        sum(views) over pair as views,
        sum(carts) over pair as carts,
        sum(pieces) over pair as pieces,
        sum(spend) over pair as spend,
        sum(discount) over pair as discount
    from days
    window pair as (
        partition by user_id, item_id order by event_day
        rows between unbounded preceding and current row
    )
)

select
    user_id,
    item_id,
    cast(event_day + 1 as timestamp) as feature_at,
    coalesce(len(purchase_days), 0) as pair_purchase_days,
    {%- for days in half_lives %}
    coalesce(
        list_sum(
            list_transform(purchase_days, lambda day: pow(0.5, (event_day - day) / {{ days }}))
        ), 0
    ) as pair_purchases_decayed_{{ days }}d,
    {%- endfor %}
    cast(purchase_days[1] as timestamp) as pair_first_purchased_at,
    cast(purchase_days[-1] as timestamp) as pair_last_purchased_at,
    cast(purchase_days[-2] as timestamp) as pair_previous_purchased_at,
    cast(coalesce(pieces, 0) as bigint) as pair_pieces,
    cast(spend / nullif(pieces, 0) as double) as pair_mean_price,
    cast(discount / nullif(spend + discount, 0) as double) as pair_discount_share,
    cast(views as bigint) as pair_views,
    cast(carts as bigint) as pair_carts,
    last_event_at as pair_last_event_at
from cumulative
{%- if keeps_rows() %}
where cast(event_day as timestamp) >= {{ first_change() }}
{%- endif %}
order by user_id, item_id, event_day
