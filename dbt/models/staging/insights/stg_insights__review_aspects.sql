{{ insight_staging('insights', 'review_aspects', ['level', 'name', 'language', 'aspect', 'read_at']) }}
