{{ canonical_staging('files', 'item_identities', superseded_by_name=false) }}
{{ config(enabled='item_id' in (given('linked') or [])) }}
