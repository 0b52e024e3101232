{{ canonical_staging('files', 'events', superseded_by_name=false) }}
