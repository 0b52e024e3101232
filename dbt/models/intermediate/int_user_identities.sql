{{ config(enabled='user_id' in (given('linked') or [])) }}
{{ identities_of('user_id') }}
