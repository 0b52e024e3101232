with

source as (
    {{ landed('open_bandit', 'impressions') }}
),

renamed as (
    select
        policy || '-' || campaign || '-' || row_number as impression_id,
        policy,
        campaign,
        campaign || '-' || item_id as item_id,
        position as slot,
        propensity_score as propensity,
        click = 1 as clicked,
        concat_ws(
            '-',
            left(user_feature_0, 8),
            left(user_feature_1, 8),
            left(user_feature_2, 8),
            left(user_feature_3, 8)
        ) as user_group,
        affinity,
        "timestamp" as shown_at,
        ingested_at
    from source
)

select * from renamed
