{{ canonical_staging('simulator', 'reviews', ['user_id', 'item_id', 'reviewed_at']) }}
