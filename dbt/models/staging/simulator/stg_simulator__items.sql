{{ canonical_staging('simulator', 'items') }}
