{{ insight_staging('insights', 'competitor_matches', ['competitor', 'item_id', 'compared_at']) }}
