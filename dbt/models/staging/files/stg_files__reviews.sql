{{ canonical_staging('files', 'reviews', superseded_by_name=false) }}
