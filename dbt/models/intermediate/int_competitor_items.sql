{{ config(enabled=given('competitors') or false) }}

select * from {{ ref('stg_files__competitor_items') }}
