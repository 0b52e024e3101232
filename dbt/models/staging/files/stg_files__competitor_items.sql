{{ canonical_staging('files', 'competitor_items', superseded_by_name=false) }}
{{ config(enabled=given('competitors') or false) }}
