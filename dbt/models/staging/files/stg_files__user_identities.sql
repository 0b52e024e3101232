{{ canonical_staging('files', 'user_identities', superseded_by_name=false) }}
{{ config(enabled='user_id' in (given('linked') or [])) }}
