{{ of_insight('item_forecasts') }}

select
    forecasts.item_id,
    forecasts.forecast_at as feature_at,
    forecasts.volume_class,
    forecasts.expected_7d,
    forecasts.expected_28d,
    forecasts.low_28d,
    forecasts.high_28d
from {{ ref('int_insights__item_forecasts') }} as forecasts
inner join {{ ref('items') }} as items on forecasts.item_id = items.item_id
order by forecasts.item_id, forecasts.forecast_at
