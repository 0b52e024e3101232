{{ of_source('complete_journey') }}

with

sold as (
    select
        product_id,
        -- the shelf price at the first sale, to avoid feature leakage
        arg_min(
            cast(
                (sales_value + retail_discount + coupon_match_discount) / quantity as decimal(18, 4)
            ),
            (transacted_at, basket_id)
        ) as first_price
    from {{ ref('stg_complete_journey__transactions') }}
    where quantity > 0
    group by product_id
),

-- the rest of the publisher's list was never sold and never advertised
known as (
    select product_id from sold
    union
    select product_id from {{ ref('stg_complete_journey__coupons') }}
),

products as (
    select
        *,
        coalesce(
            product_category in ('COUPON/MISC ITEMS', 'COUPONS/STORE & MFG', 'COUPON', 'FUEL'), false
        )
        or department in ('COUPON', 'FUEL', 'CNTRL/STORE SUP')
        or (department = 'MISCELLANEOUS' and product_type is null) as is_bookkeeping
    from {{ ref('stg_complete_journey__products') }}
)

select
    known.product_id as item_id,
    {{ sentence_case("products.product_type") }}
    || coalesce(' ' || lower(products.package_size), '') as title,
    concat_ws(
        ', ',
        {{ sentence_case("products.product_type") }},
        lower(products.product_category),
        lower(products.department),
        lower(products.brand) || ' brand',
        lower(products.package_size)
    ) as description,
    {{ sentence_case("products.department") }} as category_1,
    {{ sentence_case("products.product_category") }} as category_2,
    {{ sentence_case("products.product_type") }} as category_3,
    products.brand,
    sold.first_price as price,
    products.product_id is not null and not products.is_bookkeeping as is_merchandise,
    products.brand = 'Private' as is_private_label
from known
left join products on known.product_id = products.product_id
left join sold on known.product_id = sold.product_id
