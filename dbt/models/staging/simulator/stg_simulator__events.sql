{{ canonical_staging('simulator', 'events') }}
