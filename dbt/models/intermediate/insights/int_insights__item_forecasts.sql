{{ of_insight('item_forecasts') }}

select *
from {{ ref('stg_insights__item_forecasts') }}
where forecast_at <= {{ as_of() }}
