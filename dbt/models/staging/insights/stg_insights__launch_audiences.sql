{{ insight_staging('insights', 'launch_audiences', ['item_id', 'user_id', 'ranked_at']) }}
