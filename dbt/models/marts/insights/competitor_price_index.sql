{{ of_insight('competitor_prices') }}

select
    competitor,
    category,
    compared_at as feature_at,
    items,
    cheaper,
    mean as price_index,
    low as price_index_low,
    high as price_index_high,
    mean - lag(mean) over (partition by competitor, category order by compared_at) as price_index_change
from {{ ref('int_insights__competitor_prices') }}
order by competitor, category, compared_at
