{{ insight_staging('insights', 'competitor_gaps', ['competitor', 'item_id', 'compared_at']) }}
