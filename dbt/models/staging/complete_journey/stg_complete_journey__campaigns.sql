with

source as (
    {{ landed('complete_journey', 'campaigns') }}
),

renamed as (
    select
        cast(campaign_id as varchar) as campaign_id,
        cast(household_id as varchar) as household_id
    from source
)

select * from renamed
