{{ canonical_staging('files', 'items', ['item_id'], superseded_by_name=false) }}
