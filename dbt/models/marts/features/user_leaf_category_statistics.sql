{#- Like user_item_statistics: a row at the midnight after each day with a purchase in the category. -#}
{{ config(kept=kept("days"), parts=part_end("feature_at")) }}
{%- set half_lives = [7, 30, 120] -%}

with

days as (
    select
        user_id,
        leaf_category,
        cast(event_at as date) as event_day,
        count(*) filter (where previous_of_item_at is null) as new_items
    from {{ ref('int_purchases') }}
    where
        leaf_category is not null
        {%- if keeps_rows() %}
        and (user_id, leaf_category) in (
            select (changed.user_id, changed.leaf_category) from {{ ref('int_purchases') }} as changed
            where changed.event_at >= {{ first_change() }}
        )
        {%- endif %}
    group by user_id, leaf_category, cast(event_at as date)
),

cumulative as (
    select
        user_id,
        leaf_category,
        event_day,
        list(event_day) over pair as purchase_days,
        sum(new_items) over pair as items
    from days
    window pair as (
        partition by user_id, leaf_category order by event_day
        rows between unbounded preceding and current row
    )
)

select
    user_id,
    leaf_category,
    cast(event_day + 1 as timestamp) as feature_at,
    len(purchase_days) as leaf_purchase_days,
    {%- for days in half_lives %}
    list_sum(
        list_transform(purchase_days, lambda day: pow(0.5, (event_day - day) / {{ days }}))
    ) as leaf_purchases_decayed_{{ days }}d,
    {%- endfor %}
    cast(purchase_days[1] as timestamp) as leaf_first_purchased_at,
    cast(purchase_days[-1] as timestamp) as leaf_last_purchased_at,
    cast(items as bigint) as leaf_items
from cumulative
{%- if keeps_rows() %}
where cast(event_day as timestamp) >= {{ first_change() }}
{%- endif %}
order by user_id, leaf_category, event_day
