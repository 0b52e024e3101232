{{ config(materialized="sliced", kept=kept("periods")) }}

with

categories as (
    select
        item_id,
        concat_ws(' > ', category_1, category_2) as category
    from {{ ref('int_items') }}
    where is_merchandise and coalesce(category_1, category_2) is not null
),

-- all events of a user with an item on a day are one act
daily as (
    select
        events.user_id,
        events.item_id,
        categories.category,
        cast(events.event_at as date) as acted_on,
        bool_or(events.event_type = 'purchase') as bought
    from {{ ref('int_events') }} as events
    inner join categories on events.item_id = categories.item_id
    where
        events.event_type in ('view', 'cart', 'purchase')
        {%- if keeps_rows() %}
        and (events.user_id, events.item_id) in (
            select (recent.user_id, recent.item_id) from {{ ref('int_events') }} as recent
            where recent.event_at >= {{ grid_time(first_change()) }}
        )
        {%- endif %}
        and {{ in_slice('events.user_id') }}
    group by events.user_id, events.item_id, categories.category, acted_on
),

acts as (
    select
        user_id,
        category,
        acted_on,
        {{ period_end('acted_on') }} as period_end,
        case
            when min(acted_on) filter (where bought) over same_item < acted_on
                then {{ var('portrait_repeat_amount') }}
            else 1.0
        end as amount,
        pow(0.5, date_diff('day', acted_on, period_end) / {{ var('portrait_half_life_days') }}) as decay,
        row_number() over same_item as nth
    from daily
    -- within a calendar year, to limit the effect of long habits
    window same_item as (
        partition by user_id, item_id, year(acted_on)
        order by acted_on
    )
)

select
    user_id,
    category,
    period_end,
    sum(amount) as amount,
    sum(cast(amount * decay as decimal(18, 9))) as weight,
    sum(cast(pow(amount * decay, 2) as decimal(18, 9))) as squared_weight,
    count(*) as acts,
    -- 1 + 3 + 5 + ... is the square of the number of acts with an item
    sum(2 * nth - 1) as squared_acts,
    count(distinct acted_on) as days,
    min(acted_on) as first_on
from acts
{%- if keeps_rows() %}
where acted_on >= {{ grid_time(first_change()) }}
{%- endif %}
group by user_id, category, period_end
