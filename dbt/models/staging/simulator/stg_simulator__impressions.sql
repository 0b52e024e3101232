{{ canonical_staging('simulator', 'impressions', ['impression_id']) }}
