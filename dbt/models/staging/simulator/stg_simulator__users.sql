{{ canonical_staging('simulator', 'users', ['user_id']) }}
