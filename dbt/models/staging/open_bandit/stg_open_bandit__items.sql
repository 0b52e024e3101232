with

source as (
    {{ landed('open_bandit', 'items') }}
),

renamed as (
    select
        campaign,
        campaign || '-' || item_id as item_id,
        left(item_feature_1, 8) as feature_1,
        left(item_feature_2, 8) as feature_2,
        left(item_feature_3, 8) as feature_3
    from source
)

select * from renamed
