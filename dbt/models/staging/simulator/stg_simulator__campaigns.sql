{{ canonical_staging('simulator', 'campaigns', ['campaign_id', 'item_id']) }}
