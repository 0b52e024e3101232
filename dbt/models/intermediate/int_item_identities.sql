{{ config(enabled='item_id' in (given('linked') or [])) }}
{{ identities_of('item_id') }}
