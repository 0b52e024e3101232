{{ insight_staging('insights', 'planned_offers', ['campaign', 'offer', 'user_id', 'planned_at']) }}
