{{ canonical_staging('files', 'events', ['event_id'], superseded_by_name=false) }}
