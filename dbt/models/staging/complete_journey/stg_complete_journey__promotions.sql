with

source as (
    {{ landed('complete_journey', 'promotions') }}
),

-- 21 million rows, one per store: aggregated here, so that they are never stored
counted as (
    select
        product_id,
        week,
        count(*) as stores
    from source
    group by product_id, week
),

renamed as (
    select
        cast(product_id as varchar) as product_id,
        week,
        stores
    from counted
)

select * from renamed
