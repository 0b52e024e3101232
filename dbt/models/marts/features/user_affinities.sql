{{ config(kept=kept("feature_times")) }}

with

interests as (
    select
        events.user_id,
        events.event_at,
        coalesce(items.category_2, items.category_1) as category,
        -- weight of an event type
        case events.event_type
            when 'purchase' then 1.0
            when 'cart' then 0.5
            when 'view' then 0.2
        end as weight
    from {{ ref('int_events') }} as events
    inner join {{ ref('int_items') }} as items on events.item_id = items.item_id
    where
        items.is_merchandise
        and weight is not null
        and category is not null
        and {{ in_slice('events.user_id') }}
),

-- items of one order have the same time
simultaneous as (
    select
        user_id,
        event_at,
        category,
        weight,
        count(*) as events
    from interests
    group by user_id, event_at, category, weight
),

weighed as (
    select
        simultaneous.user_id,
        times.feature_at,
        simultaneous.category,
        {{ decayed('weight', var('affinity_half_life_days'), 'events') }} as weight
    from simultaneous
    inner join {{ ref('int_times_to_build') }} as times on simultaneous.event_at < times.feature_at
    group by simultaneous.user_id, times.feature_at, simultaneous.category
    having weight > 0
),

shared as (
    select
        user_id,
        feature_at,
        category,
        weight / sum(weight) over (partition by user_id, feature_at) as share,
        row_number() over (
            partition by user_id, feature_at
            order by weight desc, category asc
        ) as place
    from weighed
)

select
    user_id,
    feature_at,
    list(category order by place) filter (where place <= 10) as top_categories,
    list(share order by place) filter (where place <= 10) as top_category_weights,
    any_value(category) filter (where place = 1) as favourite_category,
    cast(sum(cast(-share * ln(share) as decimal(18, 12))) as double) as category_entropy
from shared
group by user_id, feature_at
order by user_id, feature_at
