{{ canonical_staging('simulator', 'events', ['event_id']) }}
