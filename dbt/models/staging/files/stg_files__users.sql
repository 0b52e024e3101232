{{ canonical_staging('files', 'users', superseded_by_name=false) }}
