with

source as (
    {{ landed('insights', 'item_forecasts', superseded_by_name=false) }}
)

select
    item_id,
    forecast_at,
    volume_class,
    expected_7d,
    expected_28d,
    low_28d,
    high_28d
from source
{{ latest_of(['item_id', 'forecast_at']) }}
