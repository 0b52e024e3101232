{{ canonical_staging('files', 'campaigns', superseded_by_name=false) }}
