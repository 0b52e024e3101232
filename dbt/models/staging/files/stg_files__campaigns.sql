{{ canonical_staging('files', 'campaigns', ['campaign_id', 'item_id'], superseded_by_name=false) }}
