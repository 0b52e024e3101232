{{ canonical_staging('files', 'impressions', superseded_by_name=false) }}
