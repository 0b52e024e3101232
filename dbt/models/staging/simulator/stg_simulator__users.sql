{{ canonical_staging('simulator', 'users') }}
