{{ canonical_staging('files', 'item_embeddings', superseded_by_name=false) }}
{{ config(enabled='files' in (given('embedding_sources') or [])) }}
