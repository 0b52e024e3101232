{{ canonical_staging('simulator', 'items', ['item_id']) }}
