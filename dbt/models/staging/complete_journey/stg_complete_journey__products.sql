with

source as (
    {{ landed('complete_journey', 'products') }}
),

renamed as (
    select
        cast(product_id as varchar) as product_id,
        department,
        product_category,
        product_type,
        package_size,
        brand
    from source
)

select * from renamed
