{{ insight_staging('insights', 'competitor_aspects', ['competitor', 'language', 'aspect', 'compared_at']) }}
