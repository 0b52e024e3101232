with

source as (
    {{ landed('complete_journey', 'coupon_redemptions') }}
),

renamed as (
    select
        cast(household_id as varchar) as household_id,
        cast(coupon_upc as varchar) as coupon_upc,
        cast(campaign_id as varchar) as campaign_id,
        redemption_date as redeemed_at
    from source
)

select * from renamed
