{{ canonical_staging('simulator', 'item_embeddings') }}
{{ config(enabled='simulator' in (given('embedding_sources') or [])) }}
