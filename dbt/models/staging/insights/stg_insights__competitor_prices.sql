{{ insight_staging('insights', 'competitor_prices', ['competitor', 'category', 'compared_at']) }}
