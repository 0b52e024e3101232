{{ canonical_staging('simulator', 'reviews') }}
