{{ insight_staging('insights', 'user_returns', ['user_id', 'predicted_at']) }}
