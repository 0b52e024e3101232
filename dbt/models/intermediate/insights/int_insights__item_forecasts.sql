{{ of_source('insights') }}

select *
from {{ ref('stg_insights__item_forecasts') }}
where forecast_at <= {{ as_of() }}
