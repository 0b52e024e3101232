{{ insight_staging('insights', 'item_forecasts', ['item_id', 'forecast_at']) }}
