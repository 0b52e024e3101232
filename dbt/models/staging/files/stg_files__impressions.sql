{{ canonical_staging('files', 'impressions', ['impression_id'], superseded_by_name=false) }}
