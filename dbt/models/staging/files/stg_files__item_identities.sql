{{ config(enabled='item_id' in (given('linked') or [])) }}
{{ canonical_staging('files', 'item_identities', superseded_by_name=false) }}
