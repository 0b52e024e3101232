with

source as (
    {{ landed('complete_journey', 'demographics') }}
),

renamed as (
    select
        cast(household_id as varchar) as household_id,
        age as age_band,
        income as income_band,
        household_size,
        household_comp as household_composition,
        home_ownership,
        marital_status,
        kids_count
    from source
)

select * from renamed
