{{ canonical_staging('files', 'users', ['user_id'], superseded_by_name=false) }}
