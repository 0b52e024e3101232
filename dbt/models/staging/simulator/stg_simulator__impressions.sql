{{ canonical_staging('simulator', 'impressions') }}
