with

source as (
    {{ landed('complete_journey', 'transactions') }}
),

renamed as (
    select
        cast(basket_id as varchar) as basket_id,
        cast(household_id as varchar) as household_id,
        cast(product_id as varchar) as product_id,
        quantity,
        cast(sales_value as decimal(18, 4)) as sales_value,
        cast(retail_disc as decimal(18, 4)) as retail_discount,
        cast(coupon_disc as decimal(18, 4)) as coupon_discount,
        cast(coupon_match_disc as decimal(18, 4)) as coupon_match_discount,
        transaction_timestamp as transacted_at,
        ingested_at
    from source
)

select * from renamed
