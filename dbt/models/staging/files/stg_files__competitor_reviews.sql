{{ canonical_staging('files', 'competitor_reviews', superseded_by_name=false) }}
{{ config(enabled=given('competitors') or false) }}
