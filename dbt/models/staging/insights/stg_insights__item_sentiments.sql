{{ insight_staging('insights', 'item_sentiments', ['item_id', 'read_at']) }}
