{{ config(materialized="sliced", kept=kept("periods")) }}

with

-- the brand of the previous purchase in the category; simultaneous purchases are ordered by brand
purchases as (
    select
        user_id,
        event_at,
        brand,
        lag(brand) over (partition by user_id, category_3 order by event_at, brand) as brand_before
    from {{ ref('int_purchases') }}
    where
        category_3 is not null
        and brand is not null
        {%- if keeps_rows() %}
        and (user_id, category_3) in (
            select (recent.user_id, recent.category_3) from {{ ref('int_purchases') }} as recent
            where recent.event_at >= {{ grid_time(first_change()) }}
        )
        {%- endif %}
        and {{ in_slice() }}
)

select
    user_id,
    {{ period_end() }} as period_end,
    count(*) filter (where brand = brand_before) as repeats,
    count(*) as purchases
from purchases
where
    brand_before is not null
    {%- if keeps_rows() %}
    and event_at >= {{ grid_time(first_change()) }}
    {%- endif %}
group by user_id, period_end
