with

source as (
    {{ landed('complete_journey', 'coupons') }}
),

-- the publisher ships 4,872 rows twice
renamed as (
    select distinct
        cast(coupon_upc as varchar) as coupon_upc,
        cast(product_id as varchar) as product_id,
        cast(campaign_id as varchar) as campaign_id
    from source
)

select * from renamed
