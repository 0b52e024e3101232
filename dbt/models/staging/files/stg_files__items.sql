{{ canonical_staging('files', 'items', superseded_by_name=false) }}
