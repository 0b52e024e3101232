with

source as (
    {{ landed('complete_journey', 'campaign_descriptions') }}
),

renamed as (
    select
        cast(campaign_id as varchar) as campaign_id,
        campaign_type,
        cast(start_date as date) as starts_on,
        cast(end_date as date) as ends_on
    from source
)

select * from renamed
