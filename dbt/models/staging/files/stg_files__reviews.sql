{{ canonical_staging('files', 'reviews', ['user_id', 'item_id', 'reviewed_at'], superseded_by_name=false) }}
