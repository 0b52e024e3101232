{{ canonical_staging('simulator', 'campaigns') }}
